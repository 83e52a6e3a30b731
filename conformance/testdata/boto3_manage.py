"""What users of boto3 rely on to manage accounts: IAM, STS, Organizations, and the
policies of buckets and keys. Runs with the old generation and the new one.

The endpoint and the credentials are in the environment: ENDPOINT and AWS_*.
"""

import csv
import datetime
import io
import json
import os
import re
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

ENDPOINT = os.environ["ENDPOINT"]
ACCOUNT = "123456789012"
NEW = tuple(int(n) for n in boto3.__version__.split(".")[:2]) >= (1, 36)
HOUR = datetime.timedelta(hours=1)


lookup = socket.getaddrinfo
# Names below localhost are this machine's; not every resolver knows it.
socket.getaddrinfo = lambda host, *args, **kwargs: lookup("127.0.0.1" if str(host).endswith(".localhost") else host, *args, **kwargs)


def client(service, credentials=None, **config):
    """Returns a client of a user's key pair, of an STS answer, or of root."""
    kwargs = {}
    if credentials:
        kwargs = {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"],
                  "aws_session_token": credentials.get("SessionToken")}
    config.setdefault("retries", {"max_attempts": 1})
    if service == "s3":
        config.update(signature_version="s3v4", s3={"addressing_style": "path"})
    endpoint = ENDPOINT
    if service == "s3control":  # which puts the account in front of the host
        endpoint = ENDPOINT.replace("127.0.0.1", "localhost")
    return boto3.client(service, endpoint_url=endpoint, config=Config(**config), **kwargs)


iam, sts, s3, kms, orgs = (client(name) for name in ("iam", "sts", "s3", "kms", "organizations"))
resource = boto3.resource("iam", endpoint_url=ENDPOINT)


def equal(what, got, want):
    if got != want:
        raise AssertionError("%s = %r; want %r" % (what, got, want))


def refused(want, call, *args, message="", **kwargs):
    """Makes a call that must fail with a code, and a message that a pattern matches."""
    try:
        call(*args, **kwargs)
    except ClientError as e:
        equal("code of " + e.operation_name, e.response["Error"]["Code"], want)
        got = e.response["Error"]["Message"]
        if not got or not re.search(message, got):
            raise AssertionError("message of %s = %r; want %r" % (e.operation_name, got, message))
        if not e.response["ResponseMetadata"].get("RequestId"):
            raise AssertionError("no request ID in %r" % (e.response,))
        return e
    raise AssertionError("no error; want %s" % want)


AUTHORIZATION_ID = r"authorization id: ([0-9a-z]+)$"


def denied(call, action, why, *args, code="AccessDenied", **kwargs):
    """Makes a call that must be denied in the words of AWS, and returns its authorization ID."""
    pattern = r"^User: arn:\S+ is not authorized to perform: %s( on resource: \S+)?%s.* %s" % (re.escape(action), re.escape(why and " " + why), AUTHORIZATION_ID)
    return re.search(AUTHORIZATION_ID, refused(code, call, *args, message=pattern, **kwargs).response["Error"]["Message"]).group(1)


def pages(c, operation, field, size, **kwargs):
    return [x for page in c.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **kwargs) for x in page[field]]


def recent(what, t):
    if abs(datetime.datetime.now(datetime.timezone.utc) - t) > HOUR:
        raise AssertionError("%s = %s; want now" % (what, t))


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, on="*", **more):
    return dict({"Effect": "Allow", "Action": action, "Resource": on}, **more)


def trust(*who, action="sts:AssumeRole", **more):
    return document(dict({"Effect": "Allow", "Principal": {"AWS": list(who)}, "Action": action}, **more))


def user(name, *statements):
    """Makes a user with an access key and returns its ARN and the key."""
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document(*statements))
    return arn, iam.create_access_key(UserName=name)["AccessKey"]


def test_users():
    made = iam.create_user(UserName="alice", Path="/team/", Tags=[{"Key": "team", "Value": "a b+c/é"}])["User"]
    equal("Arn", made["Arn"], "arn:aws:iam::%s:user/team/alice" % ACCOUNT)
    recent("CreateDate", made["CreateDate"])
    iam.get_waiter("user_exists").wait(UserName="alice")
    got = iam.get_user(UserName="alice")["User"]
    equal("UserId", got["UserId"], made["UserId"])
    equal("Tags", got["Tags"], [{"Key": "team", "Value": "a b+c/é"}])
    e = refused("EntityAlreadyExists", iam.create_user, UserName="Alice", message=r"User with name Alice already exists\.")
    equal("status", e.response["ResponseMetadata"]["HTTPStatusCode"], 409)
    equal("modelled", isinstance(e, iam.exceptions.EntityAlreadyExistsException), True)
    refused("NoSuchEntity", iam.get_user, UserName="nobody", message=r"The user with name nobody cannot be found\.")
    refused("ValidationError", iam.create_user, UserName="a/b", message="userName")
    for i in range(5):
        resource.create_user(UserName="u%d" % i, Path="/many/")
    equal("pages of users", [u["UserName"] for u in pages(iam, "list_users", "Users", 2, PathPrefix="/many/")], ["u%d" % i for i in range(5)])
    equal("users of a resource", sorted(u.name for u in resource.users.filter(PathPrefix="/many/")), ["u%d" % i for i in range(5)])
    equal("limited users", len(list(resource.users.limit(3))), 3)
    iam.tag_user(UserName="alice", Tags=[{"Key": "cost", "Value": ""}])
    iam.untag_user(UserName="alice", TagKeys=["team"])
    equal("ListUserTags", pages(iam, "list_user_tags", "Tags", 1, UserName="alice"), [{"Key": "cost", "Value": ""}])
    iam.update_user(UserName="alice", NewUserName="alicia", NewPath="/")
    equal("renamed", resource.User("alicia").arn, "arn:aws:iam::%s:user/alicia" % ACCOUNT)
    resource.User("alicia").update(NewUserName="alice")
    for u in resource.users.filter(PathPrefix="/many/"):
        u.delete()
    equal("who asks", iam.get_user()["User"]["Arn"], "arn:aws:iam::%s:root" % ACCOUNT)


def test_groups():
    group = resource.create_group(GroupName="ops", Path="/team/")
    group.create_policy(PolicyName="read", PolicyDocument=document(allow("s3:Get*")))
    group.attach_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    alice = resource.User("alice")
    alice.add_group(GroupName="ops")
    equal("groups of a user", [g.name for g in alice.groups.all()], ["ops"])
    equal("users of a group", [u.name for u in group.users.all()], ["alice"])
    equal("GetGroup", [u["UserName"] for u in pages(iam, "get_group", "Users", 1, GroupName="ops")], ["alice"])
    equal("inline of a group", [p.policy_document for p in group.policies.all()], [json.loads(document(allow("s3:Get*")))])
    equal("attached to a group", [p.arn for p in group.attached_policies.all()], ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"])
    refused("DeleteConflict", group.delete, message="must .*first")
    equal("renamed", group.update(NewGroupName="ops2").arn, "arn:aws:iam::%s:group/team/ops2" % ACCOUNT)
    group = resource.Group("ops2")
    group.remove_user(UserName="alice")
    group.detach_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    group.Policy("read").delete()
    group.delete()
    equal("groups", list(resource.groups.all()), [])


def test_access_keys():
    alice = resource.User("alice")
    pair = alice.create_access_key_pair()
    equal("key pair", (pair.user_name, pair.status, len(pair.secret)), ("alice", "Active", 40))
    recent("create_date", pair.create_date)
    second = alice.create_access_key_pair()
    refused("LimitExceeded", alice.create_access_key_pair, message="AccessKeysPerUser: 2")
    equal("keys", sorted(k.id for k in alice.access_keys.all()), sorted([pair.id, second.id]))
    key = {"AccessKeyId": pair.id, "SecretAccessKey": pair.secret}
    last = iam.get_access_key_last_used(AccessKeyId=pair.id)
    equal("never used", (last["UserName"], last["AccessKeyLastUsed"]), ("alice", {"ServiceName": "N/A", "Region": "N/A"}))
    equal("identity", client("sts", key).get_caller_identity()["Arn"], "arn:aws:iam::%s:user/alice" % ACCOUNT)
    last = iam.get_access_key_last_used(AccessKeyId=pair.id)["AccessKeyLastUsed"]
    equal("last use", (last["ServiceName"], last["Region"]), ("sts", "us-east-1"))
    recent("LastUsedDate", last["LastUsedDate"])
    resource.AccessKey("alice", pair.id).deactivate()
    refused("InvalidClientTokenId", client("sts", key).get_caller_identity, message="The security token included in the request is invalid")
    refused("InvalidAccessKeyId", client("s3", key).list_buckets)
    refused("UnrecognizedClientException", client("kms", key).list_keys)
    resource.AccessKey("alice", pair.id).activate()
    client("sts", key).get_caller_identity()
    second.delete()
    equal("keys left", [k["AccessKeyId"] for k in pages(iam, "list_access_keys", "AccessKeyMetadata", 1, UserName="alice")], [pair.id])
    # One's own, without a name.
    iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(allow("iam:ListAccessKeys", "arn:aws:iam::*:user/${aws:username}")))
    equal("own keys", [k["AccessKeyId"] for k in client("iam", key).list_access_keys()["AccessKeyMetadata"]], [pair.id])
    iam.delete_user_policy(UserName="alice", PolicyName="own")


def test_policies():
    policy = resource.create_policy(PolicyName="read", Path="/team/", Description="reads", PolicyDocument=document(allow("s3:GetObject")),
                                    Tags=[{"Key": "k", "Value": "v"}])
    iam.get_waiter("policy_exists").wait(PolicyArn=policy.arn)
    equal("policy", (policy.policy_name, policy.description, policy.default_version_id, policy.attachment_count, policy.is_attachable), ("read", "reads", "v1", 0, True))
    for i in range(4):
        policy.create_version(PolicyDocument=document(allow("s3:Get*")), SetAsDefault=i == 0)
    refused("LimitExceeded", policy.create_version, PolicyDocument=document(allow("s3:*")), message="5 versions")
    equal("versions", sorted((v.version_id, v.is_default_version) for v in policy.versions.all()), [("v%d" % i, i == 2) for i in range(1, 6)])
    equal("document", policy.default_version.document, json.loads(document(allow("s3:Get*"))))
    policy = resource.Policy(policy.arn)
    refused("DeleteConflict", resource.PolicyVersion(policy.arn, "v2").delete)
    resource.PolicyVersion(policy.arn, "v1").set_as_default()
    equal("default", policy.default_version_id, "v1")
    equal("pages of versions", len(pages(iam, "list_policy_versions", "Versions", 2, PolicyArn=policy.arn)), 5)
    alice = resource.User("alice")
    alice.attach_policy(PolicyArn=policy.arn)
    equal("attached", [p.policy_name for p in alice.attached_policies.all()], ["read"])
    equal("entities", [u.name for u in policy.attached_users.all()], ["alice"])
    equal("pages of entities", [u["UserName"] for u in pages(iam, "list_entities_for_policy", "PolicyUsers", 1, PolicyArn=policy.arn)], ["alice"])
    equal("local policies", [p.arn for p in resource.policies.filter(Scope="Local")], [policy.arn])
    if "arn:aws:iam::aws:policy/AdministratorAccess" not in [p["Arn"] for p in pages(iam, "list_policies", "Policies", 3, Scope="AWS")]:
        raise AssertionError("no AdministratorAccess")
    equal("tags", iam.list_policy_tags(PolicyArn=policy.arn)["Tags"], [{"Key": "k", "Value": "v"}])
    refused("DeleteConflict", policy.delete, message="attached to entities")
    alice.detach_policy(PolicyArn=policy.arn)
    for v in list(policy.versions.all()):
        if not v.is_default_version:
            v.delete()
    refused("MalformedPolicyDocument", resource.create_policy, PolicyName="bad", PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effekt":"Allow"}]}')
    inline = alice.create_policy(PolicyName="inline", PolicyDocument=document(allow("s3:Get*")))
    equal("inline", (inline.policy_document, [p.name for p in alice.policies.all()]), (json.loads(document(allow("s3:Get*"))), ["inline"]))
    equal("pages of inline", pages(iam, "list_user_policies", "PolicyNames", 1, UserName="alice"), ["inline"])
    inline.delete()
    # A boundary bounds.
    arn, key = user("bounded", allow("s3:*"))
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=policy.arn)
    equal("boundary", resource.User("bounded").permissions_boundary, {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy.arn})
    denied(client("s3", key).list_buckets, "s3:ListAllMyBuckets", "because no permissions boundary allows the s3:ListAllMyBuckets action")
    equal("boundary of", [u["UserName"] for u in iam.list_entities_for_policy(PolicyArn=policy.arn, PolicyUsageFilter="PermissionsBoundary")["PolicyUsers"]], ["bounded"])
    iam.delete_user_permissions_boundary(UserName="bounded")
    equal("buckets", client("s3", key).list_buckets()["Buckets"], [])


def test_roles():
    alice = "arn:aws:iam::%s:user/alice" % ACCOUNT
    role = resource.create_role(RoleName="app", Path="/team/", AssumeRolePolicyDocument=trust(alice), Description="d", MaxSessionDuration=7200, Tags=[{"Key": "k", "Value": "v"}])
    iam.get_waiter("role_exists").wait(RoleName="app")
    equal("role", (role.arn, role.max_session_duration, role.assume_role_policy_document), ("arn:aws:iam::%s:role/team/app" % ACCOUNT, 7200, json.loads(trust(alice))))
    equal("RoleLastUsed", iam.get_role(RoleName="app")["Role"]["RoleLastUsed"], {})
    role.AssumeRolePolicy().update(PolicyDocument=trust("arn:aws:iam::%s:root" % ACCOUNT))
    equal("trust", resource.Role("app").assume_role_policy_document, json.loads(trust("arn:aws:iam::%s:root" % ACCOUNT)))
    iam.update_role(RoleName="app", Description="e", MaxSessionDuration=3600)
    role.attach_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    iam.put_role_policy(RoleName="app", PolicyName="p", PolicyDocument=document(allow("kms:*")))
    equal("attached", [p.arn for p in role.attached_policies.all()], ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"])
    equal("inline", [p.policy_document for p in role.policies.all()], [json.loads(document(allow("kms:*")))])
    equal("instance profiles", list(role.instance_profiles.all()), [])
    equal("roles", [r["RoleName"] for r in pages(iam, "list_roles", "Roles", 1, PathPrefix="/team/")], ["app"])
    iam.tag_role(RoleName="app", Tags=[{"Key": "l", "Value": "w"}])
    iam.untag_role(RoleName="app", TagKeys=["k"])
    equal("tags", iam.list_role_tags(RoleName="app")["Tags"], [{"Key": "l", "Value": "w"}])
    iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")
    iam.delete_role_permissions_boundary(RoleName="app")
    refused("MalformedPolicyDocument", resource.create_role, RoleName="bad", AssumeRolePolicyDocument=trust("arn:aws:iam::%s:user/none" % ACCOUNT),
            message='Invalid principal in policy: "AWS":"arn:aws:iam::%s:user/none"' % ACCOUNT)
    refused("DeleteConflict", role.delete)


def test_account():
    resource.create_account_alias(AccountAlias="boto3-manage")
    equal("aliases", pages(iam, "list_account_aliases", "AccountAliases", 1), ["boto3-manage"])
    iam.delete_account_alias(AccountAlias="boto3-manage")
    provider = iam.create_open_id_connect_provider(Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40],
                                                   Tags=[{"Key": "k", "Value": "v"}])["OpenIDConnectProviderArn"]
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="other")
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    equal("provider", (got["Url"], sorted(got["ClientIDList"]), got["ThumbprintList"]), ("token.actions.githubusercontent.com", ["other", "sts.amazonaws.com"], ["a" * 40]))
    recent("CreateDate", got["CreateDate"])
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="other")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=provider, ThumbprintList=["b" * 40])
    equal("providers", [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]], [provider])
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    summary = resource.AccountSummary().summary_map
    equal("summary", (summary["Users"], summary["Roles"], summary["Policies"], summary["UsersQuota"]), (2, 1, 1, 5000))
    users, roles = [], []
    for page in iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1}):
        users += page["UserDetailList"]
        roles += page["RoleDetailList"]
    equal("details", (sorted(u["UserName"] for u in users), [r["RoleName"] for r in roles]), (["alice", "bounded"], ["app"]))
    bounded = next(u for u in users if u["UserName"] == "bounded")
    equal("inline in details", bounded["UserPolicyList"], [{"PolicyName": "inline", "PolicyDocument": json.loads(document(allow("s3:*")))}])
    equal("trust in details", roles[0]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"], {"AWS": ["arn:aws:iam::%s:root" % ACCOUNT]})
    # The report is asked for until it is there.
    refused("ReportNotPresent", iam.get_credential_report)
    for _ in range(10):
        if iam.generate_credential_report()["State"] == "COMPLETE":
            break
    report = iam.get_credential_report()
    equal("format", report["ReportFormat"], "text/csv")
    recent("GeneratedTime", report["GeneratedTime"])
    rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
    equal("users of the report", sorted(r["user"] for r in rows), ["<root_account>", "alice", "bounded"])
    equal("last use in the report", next(r for r in rows if r["user"] == "alice")["access_key_1_last_used_service"], "sts")
    # What clients ask for and nobody here has.
    for collection in "virtual_mfa_devices", "instance_profiles", "server_certificates", "saml_providers":
        equal(collection, list(getattr(resource, collection).all()), [])
    alice = resource.User("alice")
    equal("of a user", (list(alice.mfa_devices.all()), list(alice.signing_certificates.all())), ([], []))
    refused("NoSuchEntity", alice.LoginProfile().load)
    refused("NoSuchEntity", iam.get_account_password_policy)
    refused("NotImplemented", iam.create_login_profile, UserName="alice", Password="x")


def test_simulations():
    got = iam.simulate_custom_policy(PolicyInputList=[document(allow("s3:Get*", "arn:aws:s3:::b/*", Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}}))],
                                     ActionNames=["s3:GetObject", "s3:PutObject"], ResourceArns=["arn:aws:s3:::b/k"],
                                     ContextEntries=[{"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": ["a"], "ContextKeyType": "string"}])
    equal("custom", [(r["EvalActionName"], r["EvalDecision"]) for r in got["EvaluationResults"]], [("s3:GetObject", "allowed"), ("s3:PutObject", "implicitDeny")])
    equal("matched", got["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyId"], "PolicyInputList.1")
    results = pages(iam, "simulate_principal_policy", "EvaluationResults", 2, PolicySourceArn="arn:aws:iam::%s:user/bounded" % ACCOUNT,
                    ActionNames=["s3:GetObject", "s3:ListBucket", "kms:Decrypt"], ResourceArns=["*"])
    equal("principal", [r["EvalDecision"] for r in results], ["allowed", "allowed", "implicitDeny"])
    policy = document(allow("s3:*", Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    equal("keys of a policy", sorted(k.lower() for k in iam.get_context_keys_for_custom_policy(PolicyInputList=[policy])["ContextKeyNames"]), ["aws:sourceip", "aws:username", "s3:prefix"])
    equal("keys of a principal", iam.get_context_keys_for_principal_policy(PolicySourceArn="arn:aws:iam::%s:user/bounded" % ACCOUNT)["ContextKeyNames"], [])


def test_sessions():
    bob, key = user("bob", allow("sts:*"), allow("s3:ListAllMyBuckets"))
    s = client("sts", key)
    me = s.get_caller_identity()
    equal("identity", (me["Account"], me["Arn"]), (ACCOUNT, bob))
    equal("key", s.get_access_key_info(AccessKeyId=key["AccessKeyId"])["Account"], ACCOUNT)
    reader = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": bob}, "Action": ["sts:AssumeRole"], "Condition": {"StringEquals": {"sts:ExternalId": "secret-word"}}},
        {"Effect": "Allow", "Principal": {"AWS": bob}, "Action": ["sts:TagSession", "sts:SetSourceIdentity"]}))["Role"]
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document(
        allow("sts:*"), allow("s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}}), allow("s3:CreateBucket")))
    denied(s.assume_role, "sts:AssumeRole", "", RoleArn=reader["Arn"], RoleSessionName="one")
    denied(s.assume_role, "sts:AssumeRole", "", RoleArn=reader["Arn"] + "x", RoleSessionName="one", ExternalId="secret-word")
    args = dict(RoleArn=reader["Arn"], RoleSessionName="one", ExternalId="secret-word")
    got = s.assume_role(**args, Tags=[{"Key": "team", "Value": "a"}], TransitiveTagKeys=["team"], SourceIdentity="bob", DurationSeconds=900)
    equal("session", (got["AssumedRoleUser"]["Arn"], got["SourceIdentity"]), ("arn:aws:sts::%s:assumed-role/reader/one" % ACCOUNT, "bob"))
    equal("id", got["AssumedRoleUser"]["AssumedRoleId"], reader["RoleId"] + ":one")
    recent("Expiration", got["Credentials"]["Expiration"] - datetime.timedelta(minutes=15))
    equal("of the session", client("sts", got["Credentials"]).get_caller_identity()["Arn"], got["AssumedRoleUser"]["Arn"])
    equal("tagged", client("s3", got["Credentials"]).list_buckets()["Buckets"], [])
    equal("account of a session's key", s.get_access_key_info(AccessKeyId=got["Credentials"]["AccessKeyId"])["Account"], ACCOUNT)
    # A chain inherits the tag and the source identity.
    chained = iam.create_role(RoleName="chained", AssumeRolePolicyDocument=trust(reader["Arn"], action=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]))["Role"]["Arn"]
    iam.put_role_policy(RoleName="chained", PolicyName="p", PolicyDocument=document(
        allow("s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalTag/team": "a", "aws:SourceIdentity": "bob"}})))
    two = client("sts", got["Credentials"]).assume_role(RoleArn=chained, RoleSessionName="two")
    equal("inherited", (two["SourceIdentity"], client("s3", two["Credentials"]).list_buckets()["Buckets"]), ("bob", []))
    refused("ValidationError", client("sts", got["Credentials"]).assume_role, RoleArn=chained, RoleSessionName="two", DurationSeconds=7200,
            message="The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
    # A session policy limits.
    narrow = s.assume_role(**args, Policy=document(allow("s3:GetObject")), PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}])
    equal("packed", 0 < narrow["PackedPolicySize"] <= 100, True)
    denied(client("s3", narrow["Credentials"]).create_bucket, "s3:CreateBucket", "because no session policy allows the s3:CreateBucket action", Bucket="boto3-narrow")
    refused("MalformedPolicyDocument", s.assume_role, **args, Policy="{}")
    # Credentials of users.
    token = s.get_session_token(DurationSeconds=900)["Credentials"]
    equal("of GetSessionToken", client("sts", token).get_caller_identity()["Arn"], bob)
    client("s3", token).list_buckets()
    refused("InvalidClientTokenId", client("iam", token).list_users)
    federated = s.get_federation_token(Name="guest", Policy=document(allow("s3:ListAllMyBuckets")))
    equal("federated", federated["FederatedUser"]["Arn"], "arn:aws:sts::%s:federated-user/guest" % ACCOUNT)
    client("s3", federated["Credentials"]).list_buckets()
    refused("AccessDenied", sts.assume_role, RoleArn=reader["Arn"], RoleSessionName="root", message="Roles may not be assumed by root accounts")
    refused("InvalidClientTokenId", client("sts", dict(token, SessionToken=token["SessionToken"][:-8] + "AAAAAAAA")).get_caller_identity)
    # A denial can be decoded, by those who may.
    message = denied(client("s3", key).create_bucket, "s3:CreateBucket", "because no identity-based policy allows the s3:CreateBucket action", Bucket="boto3-denied")
    decoded = json.loads(sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
    equal("decoded", (decoded["principal"], decoded["action"], decoded["evaluation"]["decision"]["allowed"]), (bob, "s3:CreateBucket", False))
    refused("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage="x")
    last = iam.get_role(RoleName="reader")["Role"]["RoleLastUsed"]
    equal("last use of a role", last["Region"], "us-east-1")
    recent("LastUsedDate", last["LastUsedDate"])


def test_profile():
    """The client assumes a role by itself."""
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    with open("config", "w") as f:
        f.write("[profile bob]\nregion = us-east-1\n[profile reader]\nregion = us-east-1\nsource_profile = bob\nrole_session_name = by-itself\n"
                "external_id = secret-word\nrole_arn = arn:aws:iam::%s:role/reader\n" % ACCOUNT)
    with open("credentials", "w") as f:
        f.write("[bob]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (key["AccessKeyId"], key["SecretAccessKey"]))
    core = botocore.session.Session(profile="reader")
    core.set_config_variable("config_file", "config")
    core.set_config_variable("credentials_file", "credentials")
    if not NEW:  # knows of no endpoint for the STS that it asks by itself
        return
    session = boto3.Session(botocore_session=core)
    arn = session.client("sts", endpoint_url=ENDPOINT).get_caller_identity()["Arn"]
    equal("by itself", arn, "arn:aws:sts::%s:assumed-role/reader/by-itself" % ACCOUNT)


def status(request):
    try:
        with urllib.request.urlopen(request) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code


def test_buckets():
    bucket = "boto3-manage"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    equal("block", s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
          {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True})
    public = document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/*" % bucket})
    refused("AccessDenied", s3.put_bucket_policy, Bucket=bucket, Policy=public, message="because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access")
    s3.delete_public_access_block(Bucket=bucket)
    refused("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    equal("policy", json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]), json.loads(public))
    equal("status", s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"], {"IsPublic": True})
    equal("anonymous", status(ENDPOINT + "/" + bucket + "/k"), 200)
    control = client("s3control")
    refused("NoSuchPublicAccessBlockConfiguration", control.get_public_access_block, AccountId=ACCOUNT)
    control.put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    equal("of the account", control.get_public_access_block(AccountId=ACCOUNT)["PublicAccessBlockConfiguration"],
          {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": True})
    equal("restricted", status(ENDPOINT + "/" + bucket + "/k"), 403)
    control.delete_public_access_block(AccountId=ACCOUNT)
    equal("anonymous again", status(ENDPOINT + "/" + bucket + "/k"), 200)
    boto3.resource("s3", endpoint_url=ENDPOINT).BucketPolicy(bucket).delete()
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=bucket)
    refused("MalformedPolicy", s3.put_bucket_policy, Bucket=bucket, Policy=document({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:user/none" % ACCOUNT}, "Action": "s3:*",
            "Resource": "arn:aws:s3:::%s/*" % bucket}), message="Invalid principal in policy")
    # Access control lists.
    refused("AccessControlListNotSupported", s3.put_bucket_acl, Bucket=bucket, ACL="public-read", message="The bucket does not allow ACLs")
    equal("ownership", s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"], {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    owner = s3.list_buckets()["Owner"]["ID"]
    full = {"Grantee": {"ID": owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    got = s3.get_bucket_acl(Bucket=bucket)
    equal("owner", got["Owner"]["ID"], owner)
    equal("ACL", [(g["Grantee"]["ID"], g["Grantee"]["Type"], g["Permission"]) for g in got["Grants"]], [(owner, "CanonicalUser", "FULL_CONTROL")])
    s3.put_object(Bucket=bucket, Key="open", Body=b"open", ACL="public-read")
    equal("open", status(ENDPOINT + "/" + bucket + "/open"), 200)
    everyone = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}
    equal("grants", [g for g in s3.get_object_acl(Bucket=bucket, Key="open")["Grants"] if g["Grantee"]["Type"] == "Group"], [everyone])
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": {"ID": owner}, "Grants": [full, everyone]})
    equal("list", status(ENDPOINT + "/" + bucket), 200)
    boto3.resource("s3", endpoint_url=ENDPOINT).ObjectAcl(bucket, "open").put(ACL="private")
    equal("closed", status(ENDPOINT + "/" + bucket + "/open"), 403)
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    refused("OwnershipControlsNotFoundError", s3.get_bucket_ownership_controls, Bucket=bucket)


def test_presigned():
    key = iam.create_role(RoleName="linker", AssumeRolePolicyDocument=trust("arn:aws:iam::%s:user/bob" % ACCOUNT)) and client(
        "sts", bob_key()).assume_role(RoleArn="arn:aws:iam::%s:role/linker" % ACCOUNT, RoleSessionName="links")["Credentials"]
    url = client("s3", key).generate_presigned_url("get_object", Params={"Bucket": "boto3-manage", "Key": "k"}, ExpiresIn=60)
    equal("before", status(url), 403)
    iam.put_role_policy(RoleName="linker", PolicyName="p", PolicyDocument=document(allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::boto3-manage/*")))
    equal("after", status(url), 200)
    equal("without the token", status(re.sub("X-Amz-Security-Token=[^&]*&", "", url)), 403)
    put = client("s3", key).generate_presigned_url("put_object", Params={"Bucket": "boto3-manage", "Key": "by url"}, ExpiresIn=60)
    equal("put", status(urllib.request.Request(put, b"x", {"Content-Type": ""}, method="PUT")), 200)


def bob_key():
    for k in iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="bob", AccessKeyId=k["AccessKeyId"])
    return iam.create_access_key(UserName="bob")["AccessKey"]


def test_keys():
    carol, pair = user("carol")
    k = client("kms", pair)
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:root" % ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    refused("MalformedPolicyDocumentException", kms.create_key, Policy="{}")
    refused("MalformedPolicyDocumentException", kms.create_key, message="will not allow you to update the key policy in the future",
            Policy=document({"Effect": "Allow", "Principal": {"AWS": carol}, "Action": "kms:Decrypt", "Resource": "*"}))
    made = kms.create_key(Policy=document(root), Tags=[{"TagKey": "team", "TagValue": "a"}])["KeyMetadata"]
    key = made["Arn"]
    recent("CreationDate", made["CreationDate"])
    equal("policies", pages(kms, "list_key_policies", "PolicyNames", 1, KeyId=key), ["default"])
    equal("policy", json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]), json.loads(document(root)))
    denied(k.encrypt, "kms:Encrypt", "because no identity-based policy allows the kms:Encrypt action", KeyId=key, Plaintext=b"x", code="AccessDeniedException")
    only = {"Effect": "Allow", "Principal": {"AWS": carol}, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*",
            "Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "a"}, "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}}}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(root, only))
    blob = k.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"tenant": "a"})["CiphertextBlob"]
    equal("decrypt", k.decrypt(CiphertextBlob=blob, EncryptionContext={"tenant": "a"})["Plaintext"], b"x")
    denied(k.encrypt, "kms:Encrypt", "", KeyId=key, Plaintext=b"x", EncryptionContext={"tenant": "b"}, code="AccessDeniedException")
    denied(k.encrypt, "kms:Encrypt", "", KeyId=key, Plaintext=b"x", EncryptionContext={"tenant": "a", "more": "b"}, code="AccessDeniedException")
    refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, PolicyName="default", message="invalid principals",
            Policy=document(root, dict(only, Principal={"AWS": "arn:aws:iam::%s:user/none" % ACCOUNT})))
    # Grants.
    grant = kms.create_grant(KeyId=key, GranteePrincipal=carol, RetiringPrincipal=carol, Operations=["GenerateDataKey", "Decrypt", "RetireGrant"], Name="g",
                             Constraints={"EncryptionContextSubset": {"job": "1"}})
    pair = k.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"job": "1", "n": "2"}, GrantTokens=[grant["GrantToken"]])
    denied(k.generate_data_key, "kms:GenerateDataKey", "", KeyId=key, KeySpec="AES_256", EncryptionContext={"job": "2"}, code="AccessDeniedException")
    equal("opened", k.decrypt(CiphertextBlob=pair["CiphertextBlob"], EncryptionContext={"job": "1", "n": "2"})["Plaintext"], pair["Plaintext"])
    listed = pages(kms, "list_grants", "Grants", 1, KeyId=key)
    equal("grants", [(g["GrantId"], g["GranteePrincipal"], g["Name"], g["Constraints"], g["IssuingAccount"]) for g in listed],
          [(grant["GrantId"], carol, "g", {"EncryptionContextSubset": {"job": "1"}}, "arn:aws:iam::%s:root" % ACCOUNT)])
    if NEW:
        refused("DryRunOperationException", k.decrypt, CiphertextBlob=blob, EncryptionContext={"tenant": "a"}, DryRun=True, message="DryRun")
        denied(k.describe_key, "kms:DescribeKey", "", KeyId=key, code="AccessDeniedException")
        refused("DryRunOperationException", kms.create_grant, KeyId=key, GranteePrincipal=carol, Operations=["Decrypt"], DryRun=True)
    iam.put_user_policy(UserName="carol", PolicyName="p", PolicyDocument=document(allow("kms:ListRetirableGrants")))
    equal("retirable", [g["GrantId"] for g in pages(k, "list_retirable_grants", "Grants", 1, RetiringPrincipal=carol)], [grant["GrantId"]])
    k.retire_grant(GrantToken=grant["GrantToken"])
    denied(k.generate_data_key, "kms:GenerateDataKey", "", KeyId=key, KeySpec="AES_256", EncryptionContext={"job": "1"}, code="AccessDeniedException")
    again = kms.create_grant(KeyId=key, GranteePrincipal=carol, Operations=["Encrypt"])
    kms.revoke_grant(KeyId=key, GrantId=again["GrantId"])
    equal("no grants", kms.list_grants(KeyId=key)["Grants"], [])


def test_organization():
    refused("AWSOrganizationsNotInUseException", orgs.describe_organization, message="Your account is not a member of an organization")
    org = orgs.create_organization(FeatureSet="ALL")["Organization"]
    equal("organization", orgs.describe_organization()["Organization"]["Id"], org["Id"])
    equal("management", org["MasterAccountId"], ACCOUNT)
    root = pages(orgs, "list_roots", "Roots", 1)[0]
    equal("policy types", root["PolicyTypes"], [])
    made = orgs.create_account(AccountName="member", Email="member@example.com", Tags=[{"Key": "k", "Value": "v"}])["CreateAccountStatus"]
    done = orgs.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
    equal("account", done["State"], "SUCCEEDED")
    recent("CompletedTimestamp", done["CompletedTimestamp"])
    member = done["AccountId"]
    equal("accounts", sorted(a["Id"] for a in pages(orgs, "list_accounts", "Accounts", 1)), sorted([ACCOUNT, member]))
    a = orgs.describe_account(AccountId=member)["Account"]
    equal("member", (a["Name"], a["Email"], a["Status"], a["JoinedMethod"]), ("member", "member@example.com", "ACTIVE", "CREATED"))
    unit = orgs.create_organizational_unit(ParentId=root["Id"], Name="work")["OrganizationalUnit"]
    refused("DuplicateOrganizationalUnitException", orgs.create_organizational_unit, ParentId=root["Id"], Name="work")
    orgs.move_account(AccountId=member, SourceParentId=root["Id"], DestinationParentId=unit["Id"])
    equal("parents", pages(orgs, "list_parents", "Parents", 1, ChildId=member), [{"Id": unit["Id"], "Type": "ORGANIZATIONAL_UNIT"}])
    equal("children", [c["Id"] for c in pages(orgs, "list_children", "Children", 1, ParentId=unit["Id"], ChildType="ACCOUNT")], [member])
    equal("of a parent", [a["Id"] for a in pages(orgs, "list_accounts_for_parent", "Accounts", 1, ParentId=unit["Id"])], [member])
    equal("units", [u["Name"] for u in pages(orgs, "list_organizational_units_for_parent", "OrganizationalUnits", 1, ParentId=root["Id"])], ["work"])
    for kind in "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY":
        orgs.enable_policy_type(RootId=root["Id"], PolicyType=kind)
    refused("PolicyTypeAlreadyEnabledException", orgs.enable_policy_type, RootId=root["Id"], PolicyType="SERVICE_CONTROL_POLICY")
    scp = orgs.create_policy(Type="SERVICE_CONTROL_POLICY", Name="no-keys", Description="", Content=document({"Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*"}))["Policy"]["PolicySummary"]["Id"]
    orgs.attach_policy(PolicyId=scp, TargetId=unit["Id"])
    equal("targets", [t["TargetId"] for t in pages(orgs, "list_targets_for_policy", "Targets", 1, PolicyId=scp)], [unit["Id"]])
    equal("for target", sorted(p["Name"] for p in pages(orgs, "list_policies_for_target", "Policies", 1, TargetId=unit["Id"], Filter="SERVICE_CONTROL_POLICY")), ["FullAWSAccess", "no-keys"])
    refused("MalformedPolicyDocumentException", orgs.create_policy, Type="SERVICE_CONTROL_POLICY", Name="bad", Description="", Content="{}")
    # A user of the management account enters the member.
    _, key = user("admin", allow("*"))
    inside = client("sts", key).assume_role(RoleArn="arn:aws:iam::%s:role/OrganizationAccountAccessRole" % member, RoleSessionName="in")["Credentials"]
    equal("inside", client("sts", inside).get_caller_identity()["Account"], member)
    client("s3", inside).create_bucket(Bucket="boto3-member")
    denied(client("kms", inside).create_key, "kms:CreateKey", "with an explicit deny in a service control policy", code="AccessDeniedException")
    rcp = orgs.create_policy(Type="RESOURCE_CONTROL_POLICY", Name="no-reads", Description="", Content=document(
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}))["Policy"]["PolicySummary"]["Id"]
    client("s3", inside).put_object(Bucket="boto3-member", Key="k", Body=b"x")
    orgs.attach_policy(PolicyId=rcp, TargetId=member)
    denied(client("s3", inside).get_object, "s3:GetObject", "with an explicit deny in a resource control policy", Bucket="boto3-member", Key="k")
    orgs.detach_policy(PolicyId=rcp, TargetId=member)
    client("s3", inside).get_object(Bucket="boto3-member", Key="k")
    orgs.update_policy(PolicyId=scp, Content=document({"Effect": "Deny", "Action": "kms:CreateGrant", "Resource": "*"}), Name="no-grants")
    client("kms", inside).create_key()
    equal("updated", json.loads(orgs.describe_policy(PolicyId=scp)["Policy"]["Content"])["Statement"][0]["Action"], "kms:CreateGrant")
    refused("AccessDeniedException", client("organizations", inside).list_accounts, message="You don't have permissions to access this resource")
    equal("seen by the member", client("organizations", inside).describe_organization()["Organization"]["Id"], org["Id"])
    orgs.tag_resource(ResourceId=member, Tags=[{"Key": "l", "Value": "w"}])
    equal("tags", pages_of_tags(member), [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}])
    orgs.untag_resource(ResourceId=member, TagKeys=["l"])
    refused("PolicyInUseException", orgs.delete_policy, PolicyId=scp)
    orgs.detach_policy(PolicyId=scp, TargetId=unit["Id"])
    orgs.delete_policy(PolicyId=scp)
    orgs.delete_policy(PolicyId=rcp)
    refused("OrganizationalUnitNotEmptyException", orgs.delete_organizational_unit, OrganizationalUnitId=unit["Id"])
    refused("OrganizationNotEmptyException", orgs.delete_organization)
    orgs.remove_account_from_organization(AccountId=member)
    orgs.delete_organizational_unit(OrganizationalUnitId=unit["Id"])
    equal("invitations", pages(orgs, "list_handshakes_for_organization", "Handshakes", 1), [])
    shake = orgs.invite_account_to_organization(Target={"Id": member, "Type": "ACCOUNT"}, Notes="come back")["Handshake"]
    theirs = client("organizations", inside)
    equal("theirs", [h["Id"] for h in pages(theirs, "list_handshakes_for_account", "Handshakes", 1)], [shake["Id"]])
    equal("accepted", theirs.accept_handshake(HandshakeId=shake["Id"])["Handshake"]["State"], "ACCEPTED")
    theirs.leave_organization()
    orgs.delete_organization()
    refused("AWSOrganizationsNotInUseException", orgs.describe_organization)


def pages_of_tags(target):
    return sorted((t for page in orgs.get_paginator("list_tags_for_resource").paginate(ResourceId=target) for t in page["Tags"]), key=lambda t: t["Key"])


def test_ends():
    """Everything can be taken away again."""
    for name in "alice", "bounded", "bob", "carol", "admin":
        u = resource.User(name)
        for k in u.access_keys.all():
            k.delete()
        for p in u.policies.all():
            p.delete()
        u.delete()
    for name in "app", "reader", "chained", "linker":
        r = resource.Role(name)
        for p in r.policies.all():
            p.delete()
        for p in r.attached_policies.all():
            r.detach_policy(PolicyArn=p.arn)
        r.delete()
    for p in resource.policies.filter(Scope="Local"):
        p.delete()
    summary = resource.AccountSummary().summary_map
    equal("left", [summary[k] for k in ("Users", "Roles", "Policies", "Groups")], [0, 0, 0, 0])


TESTS = (test_users, test_groups, test_access_keys, test_policies, test_roles, test_account, test_simulations, test_sessions,
         test_profile, test_buckets, test_presigned, test_keys, test_organization, test_ends)
failed = False
for test in TESTS:
    try:
        test()
    except Exception as e:  # the next may still tell something
        failed = True
        line = next(t for t in reversed(list(__import__("traceback").walk_tb(e.__traceback__))) if t[0].f_code is test.__code__)[1]
        print("%s, line %d: %s: %s" % (test.__name__, line, type(e).__name__, e))
if failed:
    sys.exit(1)
print("boto3", boto3.__version__, "botocore", botocore.__version__)
