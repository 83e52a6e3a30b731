package conformance

// kmsStoreRows are those of custom key stores. What they ask for is not here, which is
// found out after the decision.
var kmsStoreRows = []row{
	kmsStore("ConnectCustomKeyStore", "CustomKeyStoreNotFoundException", map[string]any{"CustomKeyStoreId": "cks-00000000000000000"}),
	kmsStore("CreateCustomKeyStore", "CloudHsmClusterNotFoundException", map[string]any{"CustomKeyStoreName": "store", "CloudHsmClusterId": "cluster-1a23b4cdefg"}),
	kmsStore("DeleteCustomKeyStore", "CustomKeyStoreNotFoundException", map[string]any{"CustomKeyStoreId": "cks-00000000000000000"}),
	kmsStore("DisconnectCustomKeyStore", "CustomKeyStoreNotFoundException", map[string]any{"CustomKeyStoreId": "cks-00000000000000000"}),
	kmsStore("UpdateCustomKeyStore", "CustomKeyStoreNotFoundException", map[string]any{"CustomKeyStoreId": "cks-00000000000000000", "NewCustomKeyStoreName": "new"}),
}

func kmsStore(operation, passes string, in map[string]any) row {
	r := kmsAny(operation, in)
	r.passes = passes
	return r
}
