"""What boto3 and s3cmd can do, one method an operation, and the list of all clients; s3_matrix.py
makes a table of them. The AWS CLI is s3_aws_cli.py, what they have in common s3_client.py."""

import base64
import os
import re
import urllib.error
import urllib.request
import zlib

from processes import find_program
from s3_aws_cli import AwsCli
from s3_client import ACCESS_KEY, LARGE, ODD, PART, REGION, SECRET_KEY, Client, Failed


class Boto3(Client):
    """boto3 in this process, and its transfer manager."""

    name = "boto3"

    @staticmethod
    def is_installed(_):
        try:
            import boto3  # pylint: disable=unused-import
        except ImportError:
            return False
        return True

    def setup(self):
        import boto3
        import botocore.config
        import botocore.exceptions
        self.error = botocore.exceptions.ClientError
        config = botocore.config.Config(retries={"max_attempts": 12, "mode": "standard"}, connect_timeout=5,
                                        s3={"addressing_style": "path"}, proxies={})
        self.s3 = boto3.client("s3", endpoint_url=f"http://{self.address}", region_name=REGION, config=config,
                               aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)

    def call(self, operation, may_fail=(), **arguments):
        try:
            return getattr(self.s3, operation)(Bucket=self.bucket, **arguments)
        except self.error as failure:
            if failure.response["Error"]["Code"] in may_fail:
                return failure.response
            raise Failed(f"{operation} {arguments}: {failure}") from failure

    def demand_refused(self, code, operation, **arguments):
        found = self.call(operation, may_fail=(code,), **arguments).get("Error", {}).get("Code")
        self.demand_equal(found, code, operation)

    def make_bucket(self):
        self.call("create_bucket", may_fail=("BucketAlreadyOwnedByYou",),
                  CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, key, size=100, **arguments):
        body = os.urandom(size)
        self.call("put_object", Key=key, Body=body, **arguments)
        return body

    def get(self, key, **arguments):
        return self.call("get_object", Key=key, **arguments)["Body"].read()

    def keys(self):
        return [each["Key"] for each in self.call("list_objects_v2").get("Contents", [])]

    def op_make_bucket(self):
        self.make_bucket()
        self.call("head_bucket")
        self.demand(self.bucket in [each["Name"] for each in self.s3.list_buckets()["Buckets"]], "not listed")
        if not self.has_disturbance:
            self.demand_refused("BucketAlreadyOwnedByYou", "create_bucket",
                                CreateBucketConfiguration={"LocationConstraint": REGION})

    def op_delete_bucket(self):
        self.put("a")
        self.demand_refused("BucketNotEmpty", "delete_bucket")
        self.call("delete_object", Key="a")
        self.call("delete_bucket", may_fail=self.again("NoSuchBucket"))
        self.demand_refused("404", "head_bucket")

    def op_configuration(self):
        self.demand_equal(self.call("get_bucket_location")["LocationConstraint"], REGION)
        self.demand("Status" not in self.call("get_bucket_versioning"), "versioned")
        self.demand_refused("NoSuchBucketPolicy", "get_bucket_policy")
        self.demand_equal(self.call("get_bucket_request_payment")["Payer"], "BucketOwner")

    def op_bucket_acl(self):
        sent = self.put("a")
        self.call("put_bucket_acl", ACL="public-read")
        self.demand_equal(self.fetch(f"http://{self.address}/{self.bucket}/a"), sent)
        self.call("put_bucket_acl", ACL="private")
        self.demand_equal(len(self.call("get_bucket_acl")["Grants"]), 1)
        self.call("get_object_acl", Key="a")

    def op_tagging(self):
        tags = [{"Key": "colour", "Value": "blue"}]
        self.call("put_bucket_tagging", Tagging={"TagSet": tags})
        self.demand_equal(self.call("get_bucket_tagging")["TagSet"], tags)
        self.call("delete_bucket_tagging")
        self.demand_refused("NoSuchTagSet", "get_bucket_tagging")
        self.put("a", Tagging="colour=blue")
        self.demand_equal(self.call("get_object_tagging", Key="a")["TagSet"], tags)
        self.call("put_object_tagging", Key="a", Tagging={"TagSet": []})
        self.call("delete_object_tagging", Key="a")
        self.demand_equal(self.call("get_object_tagging", Key="a")["TagSet"], [])

    def op_put_get_head_delete_object(self):
        sent = self.put(ODD, Metadata={"colour": "blue"}, CacheControl="no-store")
        self.demand_equal(self.get(ODD), sent)
        head = self.call("head_object", Key=ODD)
        self.demand_equal((head["ContentLength"], head["Metadata"], head["CacheControl"]),
                          (100, {"colour": "blue"}, "no-store"))
        self.call("delete_object", Key=ODD)
        self.demand_refused("NoSuchKey", "get_object", Key=ODD)

    def op_ranges_and_conditions(self):
        sent = self.put("a", 1_000)
        self.demand_equal(self.get("a", Range="bytes=990-"), sent[990:])
        self.demand_refused("InvalidRange", "get_object", Key="a", Range="bytes=1000-")
        self.demand_refused("412", "head_object", Key="a", IfMatch='"other"')
        self.demand_equal(self.get("a", ResponseContentType="text/x"), sent)

    def op_checksums(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            sent = self.put(algorithm, ChecksumAlgorithm=algorithm)
            self.demand_equal(self.get(algorithm, ChecksumMode="ENABLED"), sent)

    def op_transfer_in_parts(self):
        self.s3.upload_file(self.write("sent", LARGE), self.bucket, "large")
        self.s3.download_file(self.bucket, "large", self.path("received"))
        self.demand_same_file("sent", "received")
        self.s3.copy({"Bucket": self.bucket, "Key": "large"}, self.bucket, "copy")
        self.demand_equal(self.get("copy"), self.read("sent"))

    def op_copy_object(self):
        sent = self.put("a", Tagging="colour=blue")
        self.call("copy_object", Key="b", CopySource={"Bucket": self.bucket, "Key": "a"}, TaggingDirective="REPLACE",
                  Tagging="colour=red")
        self.demand_equal(self.get("b"), sent)
        self.demand_equal(self.call("get_object_tagging", Key="b")["TagSet"], [{"Key": "colour", "Value": "red"}])

    def op_multipart(self):
        upload = self.call("create_multipart_upload", Key="a")["UploadId"]
        sent, tail = os.urandom(PART), os.urandom(100)
        parts = [{"PartNumber": number, "ETag": self.call("upload_part", Key="a", UploadId=upload, PartNumber=number,
                                                          Body=body)["ETag"]}
                 for number, body in ((1, sent), (2, tail))]
        self.demand_equal([each["Size"] for each in self.call("list_parts", Key="a", UploadId=upload)["Parts"]],
                          [PART, 100])
        self.demand_equal([each["Key"] for each in self.call("list_multipart_uploads")["Uploads"]], ["a"])
        for _ in range(2):  # Whoever asks again is told the same.
            self.call("complete_multipart_upload", Key="a", UploadId=upload, MultipartUpload={"Parts": parts})
        self.demand_equal(self.get("a"), sent + tail)
        other = self.call("create_multipart_upload", Key="b")["UploadId"]
        self.call("abort_multipart_upload", Key="b", UploadId=other, may_fail=self.again("NoSuchUpload"))
        self.demand("Uploads" not in self.call("list_multipart_uploads"), "an upload is left")

    def op_multipart_checksums(self):
        known = self.s3.meta.service_model.operation_model("CreateMultipartUpload").input_shape.members
        kinds = [("CRC32", "COMPOSITE"), ("SHA256", "COMPOSITE")]
        kinds += [("CRC32", "FULL_OBJECT")] if "ChecksumType" in known else []
        for algorithm, kind in kinds:
            field, asked = "Checksum" + algorithm, {"ChecksumType": kind} if "ChecksumType" in known else {}
            upload = self.call("create_multipart_upload", Key="a", ChecksumAlgorithm=algorithm, **asked)["UploadId"]
            bodies, parts = (os.urandom(PART), os.urandom(100)), []
            for number, body in enumerate(bodies, 1):
                part = self.call("upload_part", Key="a", UploadId=upload, PartNumber=number, Body=body,
                                 ChecksumAlgorithm=algorithm)
                parts.append({"PartNumber": number, "ETag": part["ETag"], field: part[field]})
            spoilt = [parts[0], {**parts[1], field: parts[0][field]}]
            self.demand_refused("InvalidPart", "complete_multipart_upload", Key="a", UploadId=upload,
                                MultipartUpload={"Parts": spoilt})
            self.call("complete_multipart_upload", Key="a", UploadId=upload, MultipartUpload={"Parts": parts}, **asked)
            self.demand_equal(self.get("a", ChecksumMode="ENABLED"), b"".join(bodies))
            value = self.call("head_object", Key="a", ChecksumMode="ENABLED")[field]
            if kind == "COMPOSITE":
                self.demand(value.endswith("-2"), value)
            else:
                whole = zlib.crc32(b"".join(bodies)).to_bytes(4, "big")
                self.demand_equal(value, base64.b64encode(whole).decode())

    def op_listings(self):
        wanted = sorted(["a/1", "a/2", "b", ODD], key=str.encode)
        for key in wanted:
            self.put(key, 1)
        for operation, rows in (("list_objects", "Contents"), ("list_objects_v2", "Contents"),
                                ("list_object_versions", "Versions")):
            for delimiter, keys in (("", wanted), ("/", ["b"])):
                pages = self.s3.get_paginator(operation).paginate(
                    Bucket=self.bucket, Delimiter=delimiter, PaginationConfig={"PageSize": 1})
                found = [each["Key"] for page in pages for each in page.get(rows, [])]
                self.demand_equal(found, keys, operation)

    def op_delete_objects(self):
        keys = [f"{i:03} {ODD}" for i in range(20)]
        for key in keys + ["kept"]:
            self.put(key, 1)
        done = self.call("delete_objects", Delete={"Objects": [{"Key": key} for key in keys]})
        self.demand_equal(sorted(each["Key"] for each in done["Deleted"]), sorted(keys))
        self.demand_equal(self.keys(), ["kept"])

    def op_presigned_urls(self):
        body = os.urandom(100)
        names = {"Bucket": self.bucket, "Key": ODD}
        put = urllib.request.Request(self.s3.generate_presigned_url("put_object", names), body, method="PUT")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(put, timeout=60):
            pass
        self.demand_equal(self.fetch(self.s3.generate_presigned_url("get_object", names)), body)

    def op_presigned_headers(self):
        # As SDKs of other languages do it: what else are headers is signed as part of the query.
        from botocore.auth import S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        body = os.urandom(100)
        meant = {"x-amz-meta-colour": "light blue", "x-amz-tagging": "a=1&b=2",
                 "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()}
        request = AWSRequest("PUT", f"http://{self.address}/{self.bucket}/a", params=meant)
        S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION).add_auth(request)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(urllib.request.Request(request.url, body[1:], method="PUT"), timeout=60).close()
            raise Failed("a body that does not have the checksum was taken")
        except urllib.error.HTTPError as refused:
            self.demand(b"<Code>BadDigest</Code>" in refused.read(), refused)
        opener.open(urllib.request.Request(request.url, body, method="PUT"), timeout=60).close()
        self.demand_equal(self.get("a"), body)
        head = self.call("head_object", Key="a", ChecksumMode="ENABLED")
        self.demand_equal((head["Metadata"], head["ChecksumCRC32"]),
                          ({"colour": "light blue"}, meant["x-amz-checksum-crc32"]))
        self.demand_equal(len(self.call("get_object_tagging", Key="a")["TagSet"]), 2)


class S3Cmd(Client):
    """s3cmd, path style."""

    name = "s3cmd"

    @staticmethod
    def is_installed(_):
        return find_program("s3cmd") is not None

    def setup(self):
        with open(self.path(".s3cfg"), "w", encoding="utf-8") as file:
            file.write("[default]\n" f"access_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\n"
                       f"bucket_location = {REGION}\nhost_base = {self.address}\nhost_bucket = {self.address}\n"
                       "use_https = False\nsignature_v2 = False\nmultipart_chunk_size_mb = 5\nmax_retries = 12\n")

    def cmd(self, *arguments, may_fail=()):
        return self.run([find_program("s3cmd"), "--no-progress", *arguments], may_fail=may_fail)

    def url(self, key=""):
        return f"s3://{self.bucket}/{key}"

    def make_bucket(self):
        self.cmd("mb", self.url(), may_fail=("BucketAlreadyOwnedByYou",))

    def put(self, key, size=100):
        self.cmd("put", self.write("sent", size), self.url(key))

    def demand_received(self, key):
        self.cmd("get", "--force", self.url(key), self.path("received"))
        self.demand_same_file("sent", "received")

    def keys(self):
        return sorted(re.findall(rf"s3://{self.bucket}/(.*)", self.cmd("ls", "--recursive", self.url())))

    def op_make_mb(self):
        self.make_bucket()
        self.demand(self.bucket in self.cmd("ls"), "the bucket is not listed")

    def op_put_and_get(self):
        self.put(ODD, 10_000)
        self.demand_received(ODD)

    def op_put_in_parts(self):
        self.put("large", LARGE)
        self.demand_received("large")

    def op_ls_and_la(self):
        self.put("a")
        self.put("b/c")
        said = self.cmd("ls", self.url())
        self.demand("DIR" in said and said.rstrip().endswith("/a"), said)
        self.demand_equal(self.keys(), ["a", "b/c"])
        self.demand(self.url("a") in self.cmd("la"), "la")

    def op_info(self):
        self.put("a")
        self.demand(REGION in self.cmd("info", self.url()), "the bucket's location")
        self.demand("File size: 100" in self.cmd("info", self.url("a")), "the object's size")

    def op_cp_and_mv(self):
        self.put("a")
        self.cmd("cp", self.url("a"), self.url("b"))
        self.cmd("mv", self.url("b"), self.url("c"), may_fail=self.again("404"))
        self.demand_equal(self.keys(), ["a", "c"])
        self.demand_received("c")

    def op_modify(self):
        self.put("a")
        self.cmd("modify", "--add-header=Cache-Control: no-store", self.url("a"))
        self.demand_received("a")

    def op_del(self):
        for key in ("a", "b/c", "b/d"):
            self.put(key)
        self.cmd("del", self.url("a"))
        self.demand_equal(self.keys(), ["b/c", "b/d"])
        self.cmd("del", "--recursive", "--force", self.url())
        self.demand_equal(self.keys(), [])

    def op_sync_up_and_down(self):
        for name in ("tree/a", "tree/b/c"):
            self.write(name, 2_000)
        self.cmd("sync", self.path("tree") + "/", self.url("tree/"))
        os.makedirs(self.path("copy"))
        self.cmd("sync", self.url("tree/"), self.path("copy") + "/")
        self.demand_same_tree("tree", "copy")

    def op_setacl(self):
        self.put("a")
        self.cmd("setacl", "--acl-public", self.url())
        self.demand_equal(self.fetch(f"http://{self.address}/{self.bucket}/a"), self.read("sent"))
        self.cmd("setacl", "--acl-private", self.url())
        self.demand("anon" not in self.cmd("info", self.url()), "the bucket is still public")

    def op_multipart_uploads(self):
        self.put("a")
        said = self.cmd("multipart", self.url())
        self.demand(self.bucket in said, said)

    def op_rb(self):
        self.put("a")
        self.cmd("rb", "--recursive", "--force", self.url(), may_fail=self.again("NoSuchBucket"))
        self.demand(self.bucket not in self.cmd("ls"), "the bucket is still listed")


CLIENTS = {each.name: each for each in (AwsCli, Boto3, S3Cmd)}
