"""The AWS CLI: what `aws s3` and `aws s3api` can do."""

import json
import os

from processes import find_program
from s3_client import ACCESS_KEY, LARGE, ODD, PART, REGION, SECRET_KEY, Client, Failed


class AwsCli(Client):
    """`aws s3` and `aws s3api`."""

    name = "aws"

    @staticmethod
    def is_installed(options):
        return find_program(options.aws) is not None

    def aws(self, *arguments, may_fail=()):
        return self.run([find_program(self.options.aws), "--endpoint-url", f"http://{self.address}", "--output", "json",
                         *arguments],
                        {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                         "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull, "AWS_PAGER": "",
                         "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
                         "AWS_MAX_ATTEMPTS": "12", "AWS_RETRY_MODE": "standard"}, may_fail)

    def s3(self, *arguments, may_fail=()):
        return self.aws("s3", *arguments, may_fail=may_fail)

    def api(self, operation, *arguments, bucket=None, may_fail=()):
        """An operation on the bucket; what it says, taken apart."""
        said = self.aws("s3api", operation, "--bucket", bucket or self.bucket, *arguments, may_fail=may_fail)
        return json.loads(said) if said.strip() else {}

    def url(self, key=""):
        return f"s3://{self.bucket}/{key}"

    def make_bucket(self):
        self.s3("mb", f"s3://{self.bucket}", may_fail=("BucketAlreadyOwnedByYou",))

    def put(self, key, size=100, *arguments):
        self.api("put-object", "--key", key, "--body", self.write("body", size), *arguments)
        return self.read("body")

    def get(self, key, *arguments):
        self.api("get-object", "--key", key, *arguments, self.path("got"))
        return self.read("got")

    def keys(self, prefix=""):
        listing = self.api("list-objects-v2", "--prefix", prefix)
        return [each["Key"] for each in listing.get("Contents", [])]

    # --- aws s3 ---

    def op_make_s3_mb(self):
        self.s3("mb", f"s3://{self.bucket}", may_fail=self.again("BucketAlreadyOwnedByYou"))
        self.demand(self.bucket in self.s3("ls"), "the bucket is not listed")

    def op_s3_cp_up_and_down(self):
        self.s3("cp", self.write("sent", 10_000), self.url(ODD))
        self.s3("cp", self.url(ODD), self.path("received"))
        self.demand_same_file("sent", "received")

    def op_s3_cp_in_parts(self):
        self.s3("cp", self.write("sent", LARGE), self.url("large"))
        self.s3("cp", self.url("large"), self.path("received"))
        self.demand_same_file("sent", "received")

    def op_s3_cp_between_objects(self):
        sent = self.put("from")
        self.s3("cp", self.url("from"), self.url("to"))
        self.demand_equal(self.get("to"), sent)

    def op_s3_mv(self):
        sent = self.put("from")
        self.s3("mv", self.url("from"), self.url("to"), may_fail=self.again("404", "NoSuchKey"))
        self.demand_equal(self.get("to"), sent)
        self.demand_equal(self.keys(), ["to"])

    def op_s3_sync_up_and_down(self):
        for name in ("tree/a", "tree/b/c", "tree/b/" + ODD):
            self.write(name, 2_000)
        self.s3("sync", self.path("tree"), self.url("tree"))
        self.s3("sync", self.url("tree"), self.path("copy"))
        self.demand_same_tree("tree", "copy")
        os.remove(self.path("tree/a"))
        self.s3("sync", "--delete", self.path("tree"), self.url("tree"))
        self.demand_equal(len(self.keys()), 2, "objects after sync --delete")

    def op_s3_ls(self):
        for key in ("a", "b/c"):
            self.put(key)
        said = self.s3("ls", self.url())
        self.demand("PRE b/" in said and said.rstrip().endswith("a"), said)
        said = self.s3("ls", "--recursive", "--page-size", "1", self.url())
        self.demand("b/c" in said, said)

    def op_s3_rm(self):
        self.put("a")
        self.put("b")
        self.s3("rm", self.url("a"))
        self.demand_equal(self.keys(), ["b"])

    def op_s3_rm_recursive(self):
        for key in ("t/a", "t/b/c", "u"):
            self.put(key)
        self.s3("rm", "--recursive", self.url("t/"))
        self.demand_equal(self.keys(), ["u"])

    def op_s3_presign(self):
        sent = self.put(ODD)
        self.demand_equal(self.fetch(self.s3("presign", self.url(ODD)).strip()), sent)

    def op_s3_rb(self):
        self.put("a")
        self.demand("BucketNotEmpty" in self.run_refused("s3", "rb", f"s3://{self.bucket}"), "rb of a full bucket")
        self.s3("rb", "--force", f"s3://{self.bucket}", may_fail=self.again("NoSuchBucket"))
        self.demand(self.bucket not in self.s3("ls"), "the bucket is still listed")

    def run_refused(self, *arguments):
        try:
            return "succeeded: " + self.aws(*arguments)
        except Failed as failure:
            return str(failure)

    # --- aws s3api: buckets ---

    def op_make_create_bucket(self):
        self.api("create-bucket", "--acl", "public-read", "--create-bucket-configuration",
                 f"LocationConstraint={REGION}", may_fail=self.again("BucketAlreadyOwnedByYou"))
        self.demand("AllUsers" in json.dumps(self.api("get-bucket-acl")), "the bucket is not public")

    def op_head_bucket(self):
        self.api("head-bucket")
        self.demand("404" in self.run_refused("s3api", "head-bucket", "--bucket", "nobody-has-this"), "404")

    def op_list_buckets(self):
        buckets = json.loads(self.aws("s3api", "list-buckets"))
        self.demand(self.bucket in [each["Name"] for each in buckets["Buckets"]], buckets)

    def op_delete_bucket(self):
        self.api("delete-bucket", may_fail=self.again("NoSuchBucket"))
        self.demand("404" in self.run_refused("s3api", "head-bucket", "--bucket", self.bucket), "404")

    def op_get_bucket_location(self):
        self.demand_equal(self.api("get-bucket-location")["LocationConstraint"], REGION)

    def op_get_bucket_versioning(self):
        self.demand_equal(self.api("get-bucket-versioning"), {})

    def op_bucket_acl(self):
        self.put("a")
        self.api("put-bucket-acl", "--acl", "public-read")
        self.demand_equal(self.fetch(f"http://{self.address}/{self.bucket}/a"), self.read("body"))
        self.api("put-bucket-acl", "--access-control-policy", json.dumps(self.api("get-bucket-acl")))
        self.api("put-bucket-acl", "--acl", "private")
        self.demand_equal(len(self.api("get-bucket-acl")["Grants"]), 1)

    def op_bucket_tagging(self):
        tags = {"TagSet": [{"Key": "colour", "Value": "blue"}]}
        self.api("put-bucket-tagging", "--tagging", json.dumps(tags))
        self.demand_equal(self.api("get-bucket-tagging"), tags)
        self.api("delete-bucket-tagging")
        self.demand("NoSuchTagSet" in self.run_refused("s3api", "get-bucket-tagging", "--bucket", self.bucket), "tags")

    def op_what_is_never_set(self):
        for operation, code in (("get-bucket-policy", "NoSuchBucketPolicy"), ("get-bucket-cors", "NoSuchCORS"),
                                ("get-bucket-lifecycle-configuration", "NoSuchLifecycle"),
                                ("get-bucket-website", "NoSuchWebsite"),
                                ("get-bucket-encryption", "ServerSideEncryptionConfigurationNotFound")):
            said = self.run_refused("s3api", operation, "--bucket", self.bucket)
            self.demand(code in said, said)

    # --- aws s3api: objects ---

    def op_put_get_head_delete_object(self):
        sent = self.put(ODD, 5_000, "--metadata", "colour=blue", "--content-type", "text/plain")
        self.demand_equal(self.get(ODD), sent)
        head = self.api("head-object", "--key", ODD)
        self.demand_equal((head["ContentLength"], head["Metadata"], head["ContentType"]),
                          (5_000, {"colour": "blue"}, "text/plain"))
        self.api("delete-object", "--key", ODD)
        self.demand_equal(self.keys(), [])

    def op_ranges_and_conditions(self):
        sent = self.put("a", 1_000)
        self.demand_equal(self.get("a", "--range", "bytes=10-19"), sent[10:20])
        self.demand_equal(self.get("a", "--range", "bytes=-5"), sent[-5:])
        etag = self.api("head-object", "--key", "a")["ETag"]
        self.demand_equal(self.get("a", "--if-match", etag), sent)
        said = self.run_refused("s3api", "head-object", "--bucket", self.bucket, "--key", "a", "--if-none-match", etag)
        self.demand("304" in said, said)

    def op_checksums(self):
        for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256"):
            if algorithm == "CRC32C":
                continue  # The CLI wants a library for it that Debian does not ship.
            sent = self.put(algorithm, 1_000, "--checksum-algorithm", algorithm)
            self.demand_equal(self.get(algorithm, "--checksum-mode", "ENABLED"), sent)
            head = self.api("head-object", "--key", algorithm, "--checksum-mode", "ENABLED")
            self.demand("Checksum" + algorithm in head, head)

    def op_delete_objects(self):
        for key in ("a", "b", ODD):
            self.put(key)
        doomed = {"Objects": [{"Key": "a"}, {"Key": ODD}, {"Key": "none"}], "Quiet": False}
        done = self.api("delete-objects", "--delete", json.dumps(doomed))
        self.demand_equal(sorted(each["Key"] for each in done["Deleted"]), sorted(["a", ODD, "none"]))
        self.demand_equal(self.keys(), ["b"])

    def op_copy_object(self):
        sent = self.put("a", 100, "--metadata", "colour=blue")
        self.api("copy-object", "--key", "b", "--copy-source", f"{self.bucket}/a")
        self.demand_equal(self.get("b"), sent)
        self.api("copy-object", "--key", "a", "--copy-source", f"{self.bucket}/a", "--metadata", "colour=red",
                 "--metadata-directive", "REPLACE")
        self.demand_equal(self.api("head-object", "--key", "a")["Metadata"], {"colour": "red"})

    def op_object_tagging(self):
        self.put("a", 100, "--tagging", "colour=blue")
        self.demand_equal(self.api("get-object-tagging", "--key", "a")["TagSet"], [{"Key": "colour", "Value": "blue"}])
        self.api("put-object-tagging", "--key", "a", "--tagging", "TagSet=[{Key=size,Value=small}]")
        self.demand_equal(self.api("get-object-tagging", "--key", "a")["TagSet"], [{"Key": "size", "Value": "small"}])
        self.api("delete-object-tagging", "--key", "a")
        self.demand_equal(self.api("get-object-tagging", "--key", "a")["TagSet"], [])

    def op_get_object_acl(self):
        self.put("a")
        self.demand_equal(self.api("get-object-acl", "--key", "a")["Grants"][0]["Permission"], "FULL_CONTROL")

    # --- aws s3api: listings ---

    def op_listings(self):
        for key in ("a/1", "a/2", "b", ODD):
            self.put(key)
        wanted = sorted(["a/1", "a/2", "b", ODD], key=str.encode)
        for operation, rows in (("list-objects", "Contents"), ("list-objects-v2", "Contents"),
                                ("list-object-versions", "Versions")):
            paged = self.api(operation, "--page-size", "1")
            self.demand_equal([each["Key"] for each in paged[rows]], wanted, operation)
            folded = self.api(operation, "--delimiter", "/", "--page-size", "1")
            self.demand_equal([each["Prefix"] for each in folded["CommonPrefixes"]], ["a folder/", "a/"], operation)

    # --- aws s3api: multipart ---

    def op_multipart(self):
        sent = self.write("part", PART)
        upload = self.api("create-multipart-upload", "--key", "a")["UploadId"]
        name = ("--key", "a", "--upload-id", upload)
        self.put("source", 200)
        first = self.api("upload-part", *name, "--part-number", "1", "--body", sent)["ETag"]
        last = self.api("upload-part-copy", *name, "--part-number", "2", "--copy-source",
                        f"{self.bucket}/source")["CopyPartResult"]["ETag"]
        listed = self.api("list-parts", *name)["Parts"]
        self.demand_equal([(each["PartNumber"], each["Size"]) for each in listed], [(1, PART), (2, 200)])
        self.demand(upload in json.dumps(self.api("list-multipart-uploads")), "the upload is not listed")
        parts = {"Parts": [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": last}]}
        done = self.api("complete-multipart-upload", *name, "--multipart-upload", json.dumps(parts))
        self.demand(done["ETag"].endswith('-2"'), done)
        self.demand_equal(self.get("a"), self.read("part") + self.read("body"))
        self.demand_equal(self.api("list-multipart-uploads").get("Uploads", []), [])

    def op_abort_multipart_upload(self):
        upload = self.api("create-multipart-upload", "--key", "a")["UploadId"]
        self.api("abort-multipart-upload", "--key", "a", "--upload-id", upload, may_fail=self.again("NoSuchUpload"))
        self.demand_equal(self.api("list-multipart-uploads").get("Uploads", []), [])
