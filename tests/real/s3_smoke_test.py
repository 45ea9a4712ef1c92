#!/usr/bin/env python3
"""The AWS CLI at a follower of a cluster with credentials: signed requests work, others are refused."""

import os
import subprocess

from cluster import Cluster
from processes import RealTest, find_program, main, require_programs
from s3_client import ACCESS_KEY, CREDENTIALS, REGION, SECRET_KEY


class S3Smoke(RealTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        file = cls.children.write("credentials.toml", CREDENTIALS)
        cls.cluster = Cluster(cls.children, cls.binary, arguments=["--credentials", file, "--region", REGION])
        cls.cluster.start()

    def aws(self, node, *arguments, access_key=ACCESS_KEY, secret_key=SECRET_KEY):
        """Runs `aws s3api` at a node; the process with its output."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment.update({
            "AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull, "AWS_PAGER": "",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": self.children.folder, "AWS_MAX_ATTEMPTS": "3", "NO_PROXY": "*",
        })
        return subprocess.run(
            [find_program("aws"), "--endpoint-url", f"http://{node.addresses['s3']}", "--output", "json",
             "s3api", *arguments],
            env=environment, cwd=self.children.folder, stdin=subprocess.DEVNULL, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def expect_done(self, done):
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def expect_refused(self, done, *codes):
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertTrue(any(code in done.stdout for code in codes), f"none of {codes} in {done.stdout}")

    def follower(self):
        return self.cluster.others(self.cluster.wait_settled())[0]

    def test_1_the_life_of_an_object(self):
        content = os.urandom(100_000)
        path = os.path.join(self.children.folder, "sent")
        with open(path, "wb") as file:
            file.write(content)
        name = ("--bucket", "smoke", "--key", "a folder/the object+1.bin")
        follower = self.follower()
        self.expect_done(self.aws(follower, "create-bucket", "--bucket", "smoke", "--create-bucket-configuration",
                                  f"LocationConstraint={REGION}"))
        self.expect_done(self.aws(follower, "put-object", *name, "--body", path, "--metadata", "colour=blue"))
        head = self.expect_done(self.aws(follower, "head-object", *name))
        self.assertIn('"ContentLength": 100000', head)
        self.assertIn('"colour": "blue"', head)
        received = os.path.join(self.children.folder, "received")
        self.expect_done(self.aws(self.cluster.wait_settled(), "get-object", *name, received))
        with open(received, "rb") as file:
            self.assertEqual(file.read(), content)
        self.expect_done(self.aws(follower, "delete-object", *name))
        self.expect_refused(self.aws(follower, "get-object", *name, received), "NoSuchKey")

    def test_2_strangers_are_refused(self):
        follower = self.follower()
        self.expect_refused(self.aws(follower, "create-bucket", "--bucket", "stolen", secret_key="guess"),
                            "SignatureDoesNotMatch")
        self.expect_refused(self.aws(follower, "create-bucket", "--bucket", "stolen", access_key="AKIAWHO"),
                            "InvalidAccessKeyId")
        unsigned = follower.request("s3", "PUT", "/stolen")
        self.assertEqual(unsigned.status, 403, unsigned.body)
        self.assertIn(b"<Code>AccessDenied</Code>", unsigned.body)
        self.expect_refused(self.aws(follower, "head-bucket", "--bucket", "stolen"), "404")

    def test_3_probes_need_no_signature(self):
        leader = self.cluster.wait_settled()
        self.assertEqual(leader.probe_leader().body, b"ok\n")

    def test_4_boto3(self):
        try:
            import boto3
        except ImportError:
            self.skipTest("boto3 is not installed")
        client = boto3.client("s3", endpoint_url=f"http://{self.follower().addresses['s3']}", region_name=REGION,
                              aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
        client.create_bucket(Bucket="smoke-boto", CreateBucketConfiguration={"LocationConstraint": REGION})
        client.put_object(Bucket="smoke-boto", Key="k", Body=b"content")
        self.assertEqual(client.get_object(Bucket="smoke-boto", Key="k")["Body"].read(), b"content")
        client.delete_object(Bucket="smoke-boto", Key="k")
        with self.assertRaises(client.exceptions.NoSuchKey):
            client.get_object(Bucket="smoke-boto", Key="k")


if __name__ == "__main__":
    require_programs("aws", "setpriv")
    main()
