// Package restxml implements the XML documents of the Amazon S3 REST API: what
// a server answers, error bodies included, and what it is sent.
//
// Answers are appended to a byte slice by hand, because a page of a listing
// holds a thousand entries and reflection would cost more than reading them:
//
//	document = declaration LF <Root xmlns="http://s3.amazonaws.com/doc/2006-03-01/"> element* </Root>
//	error    = declaration LF <Error> Code Message field* RequestId HostId </Error>
//
// Requests are decoded from a slice that the caller has bounded. A document type
// declaration, a processing instruction, an undeclared entity, an element that
// the document does not have and one that comes twice are all MalformedXML.
// Names are matched without their namespace: clients send S3's, an older one,
// or none.
//
// Source: Amazon S3 API Reference, "Actions" (the syntax and examples of each
// operation) and "Error responses", read 2026-11-21.
package restxml
