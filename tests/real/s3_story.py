"""A seeded story of S3 requests, as boto3 would be asked for them, and what of an answer can be compared.

A request names its multipart upload by a number of the story's own: every server gives it another id. Nothing here
knows what the right answers are; the story only remembers enough to hit as often as it misses.
"""

import datetime
import hashlib
from dataclasses import dataclass

MIB = 1 << 20
KEYS = ["a/1", "a/2", "a/b/3", "b+c d", "b&<q>", "c/ü", "z%2F~"]
PREFIXES = ["", "a", "a/", "b", "c/", "nothing"]
ODD = "%+&"  # Characters that not every server decodes where they name the source of a copy.
NO_ETAG = '"00000000000000000000000000000000"'
PART_MIN = 5 * MIB
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
ENTITY = ("ContentType", "CacheControl", "ContentDisposition", "ContentLanguage")


@dataclass
class Request:
    operation: str
    arguments: dict
    upload: int | None = None  # The story's number of the upload it is about.

    def __str__(self):
        shown = {name: f"{len(value)} octets, MD5 {hashlib.md5(value).hexdigest()}" if isinstance(value, bytes)
                 else value for name, value in self.arguments.items()}
        upload = "" if self.upload is None else f", upload {self.upload}"
        return f"{self.operation} {shown}{upload}"


class Story:
    """Draws one request after another. `features` names what the servers compared can do beyond the rest."""

    def __init__(self, random, prefix, features):
        self.random = random
        self.buckets = [f"{prefix}-{name}" for name in ("one", "two", "three")]
        self.features = features
        self.keys = KEYS + (["a", "b", "c/"] if "keys that begin others" in features else [])
        self.made = set()  # Buckets that are there.
        self.etags = {}    # (bucket, key) -> what it last was.
        self.uploads = []  # {"Bucket", "Key", "parts": {number: ETag}}
        chapters = {
            self.make_bucket: 6, self.drop_bucket: 2, self.look_at_bucket: 2, self.put: 24, self.read: 24,
            self.delete: 8, self.delete_many: 4, self.list: 16, self.copy: 10, self.begin_upload: 4,
            self.put_part: 10, self.end_upload: 8, self.tag: 8,
        }
        self.chapters, self.weights = list(chapters), list(chapters.values())

    def next(self):
        while True:
            request = self.random.choices(self.chapters, self.weights)[0]()
            if request is not None:
                return request

    def heard(self, request, answer):
        """What the first server answered."""
        names = request.arguments
        if request.operation == "delete_bucket" and answer["status"] == 204:
            self.made.remove(names["Bucket"])
            self.etags = {place: etag for place, etag in self.etags.items() if place[0] != names["Bucket"]}
            # No peer ends them with their bucket.
            self.uploads = [upload if upload and upload["Bucket"] != names["Bucket"] else None
                            for upload in self.uploads]
        if answer["status"] != 200:
            return
        if request.operation == "create_bucket":
            self.made.add(names["Bucket"])
        if request.operation == "create_multipart_upload":
            self.uploads[request.upload] = {"Bucket": names["Bucket"], "Key": names["Key"], "parts": {}}
        if request.operation in ("complete_multipart_upload", "abort_multipart_upload") and self.likely(50):
            self.uploads[request.upload] = None
        if request.operation in ("put_object", "copy_object", "complete_multipart_upload"):
            self.etags[names["Bucket"], names["Key"]] = answer["ETag"]
        if request.operation == "upload_part":
            self.uploads[request.upload]["parts"][names["PartNumber"]] = answer["ETag"]

    def likely(self, percent):
        return self.random.randrange(100) < percent

    def place(self):
        return {"Bucket": self.bucket(), "Key": self.random.choice(self.keys)}

    def known_place(self):
        """Most often of an object that has been there."""
        if not self.etags or self.likely(15):
            return self.place()
        bucket, key = self.random.choice(list(self.etags))
        return {"Bucket": bucket, "Key": key}

    def bucket(self):
        """Most often one that is there."""
        return self.random.choice(sorted(self.made) if self.made and self.likely(95) else self.buckets)

    def body(self):
        sizes = [1, 10, 1000, 70_000] + ([0] if "empty bodies" in self.features else [])
        return self.random.randbytes(self.random.choice(sizes))

    def some_etag(self, place):
        right = self.etags.get((place["Bucket"], place["Key"]), NO_ETAG)
        return self.random.choice([right, right, NO_ETAG])

    def tags(self):
        return {name: self.random.choice(["blue", "a b", "", "x/y=z"])
                for name in self.random.sample(["colour", "size", "a b"], self.random.randrange(4))}

    # --- the chapters ---

    def make_bucket(self):
        missing = [name for name in self.buckets if name not in self.made]
        return Request("create_bucket", {"Bucket": self.random.choice(missing or self.buckets)})

    def drop_bucket(self):
        return Request("delete_bucket", {"Bucket": self.random.choice(self.buckets)})

    def look_at_bucket(self):
        if self.likely(50):
            return Request("list_buckets", {})
        return Request("head_bucket", {"Bucket": self.random.choice([*self.buckets, self.buckets[0] + "-none"])})

    def put(self):
        arguments = {**self.place(), "Body": self.body()}
        if self.likely(30):
            arguments["Metadata"] = {"colour": "blue", "number": str(self.random.randrange(10))}
        for name in ENTITY:
            if self.likely(10):
                arguments[name] = {"ContentType": "text/x-story", "CacheControl": "no-store",
                                   "ContentDisposition": "attachment", "ContentLanguage": "de"}[name]
        return Request("put_object", arguments)

    def read(self):
        arguments = self.known_place()
        operation = self.random.choice(["get_object", "get_object", "head_object"])
        if self.likely(40) and operation == "get_object" and "ranges" in self.features:
            first = self.random.choice([0, 1, 500, 69_999, 100_000])
            arguments["Range"] = self.random.choice(
                [f"bytes={first}-", f"bytes={first}-{first + self.random.choice([0, 9, 100_000])}",
                 f"bytes=-{self.random.choice([1, 10, 100_000])}"])
        if self.likely(40) and (operation == "get_object" or "conditions of heads" in self.features):
            name = self.random.choice(["IfNoneMatch", "IfModifiedSince"] + (
                ["IfMatch", "IfUnmodifiedSince"] if "all conditions" in self.features else []))
            arguments[name] = self.some_etag(arguments) if name.endswith("Match") else PAST
        return Request(operation, arguments)

    def delete(self):
        place = self.known_place()
        if self.likely(70):
            self.etags.pop((place["Bucket"], place["Key"]), None)
        return Request("delete_object", place)

    def delete_many(self):
        keys = self.random.sample(self.keys, self.random.randrange(1, 4))
        return Request("delete_objects", {"Bucket": self.bucket(), "Delete": {
            "Objects": [{"Key": key} for key in keys], "Quiet": self.likely(30)}})

    def list(self):
        arguments = {"Bucket": self.bucket(), "Prefix": self.random.choice(PREFIXES)}
        if self.likely(50) and "delimiters" in self.features:
            arguments["Delimiter"] = self.random.choice(["/", "/", "b"])
        if self.likely(60) and "pages" in self.features:
            arguments["MaxKeys"] = self.random.choice([1, 2, 3, 1000])
        if self.likely(30):
            operation, start = "list_objects", "Marker"
        else:
            operation, start = "list_objects_v2", "StartAfter"
        if self.likely(25):
            arguments[start] = self.random.choice(self.keys + ["a/b", "zz"])
        return Request(operation, arguments)

    def copy(self):
        source, target = self.known_place(), self.place()
        if "odd sources" not in self.features and set(source["Key"]) & set(ODD):
            return None
        arguments = {**target, "CopySource": source}
        if self.likely(30) and "copies with new metadata" in self.features:
            arguments.update(MetadataDirective="REPLACE", Metadata={"colour": "green"})
        elif source == target and "refuses copies to itself" not in self.features:
            return None
        return Request("copy_object", arguments)

    def begin_upload(self):
        if "multipart" not in self.features:
            return None
        place = self.place()
        self.uploads.append(None)  # Until one is heard of.
        return Request("create_multipart_upload", {**place, "Metadata": {"by": "parts"}},
                       upload=len(self.uploads) - 1)

    def some_upload(self):
        """One of the last few, some of which have ended."""
        known = [number for number, upload in enumerate(self.uploads) if upload is not None][-3:]
        if not known:
            return None, {}
        number = self.random.choice(known)
        upload = self.uploads[number]
        return number, {"Bucket": upload["Bucket"], "Key": upload["Key"]}

    def put_part(self):
        number, place = self.some_upload()
        if number is None:
            return None
        size = PART_MIN if self.likely(25) else self.random.choice([1, 1000])
        return Request("upload_part", {**place, "PartNumber": self.random.randrange(1, 4),
                                       "Body": self.random.randbytes(16) * (size // 16 + 1)}, upload=number)

    def end_upload(self):
        number, place = self.some_upload()
        if number is None:
            return None
        if self.likely(20):
            return Request("abort_multipart_upload", place, upload=number)
        parts = [{"PartNumber": part, "ETag": etag} for part, etag in sorted(self.uploads[number]["parts"].items())]
        if self.likely(15):
            parts.reverse()
        if parts and self.likely(15):
            parts[-1] = {**parts[-1], "ETag": NO_ETAG}
        if not parts:
            return None
        return Request("complete_multipart_upload", {**place, "MultipartUpload": {"Parts": parts}}, upload=number)

    def tag(self):
        if "tags" not in self.features:
            return None
        place = self.known_place()
        operation = self.random.choice(["put_object_tagging", "get_object_tagging"])
        if operation == "put_object_tagging":
            place["Tagging"] = {"TagSet": [{"Key": key, "Value": value} for key, value in self.tags().items()]}
        return Request(operation, place)


# --- what of an answer can be compared ---

# Operation -> what of a good answer is no server's own choice.
FIELDS = {
    "put_object": ("ETag",), "upload_part": ("ETag",), "complete_multipart_upload": ("ETag", "Bucket", "Key"),
    "create_multipart_upload": ("Bucket", "Key"),
    "get_object": ("ETag", "ContentLength", "ContentRange", "Metadata", "TagCount", *ENTITY),
    "head_object": ("ETag", "ContentLength", "Metadata", *ENTITY),
    "list_objects": ("IsTruncated", "MaxKeys", "Prefix", "Delimiter", "Marker"),
    "list_objects_v2": ("IsTruncated", "MaxKeys", "Prefix", "Delimiter", "StartAfter", "KeyCount"),
}
# Operation -> its lists, and what of each row.
ROWS = {
    "list_objects": {"Contents": ("Key", "ETag", "Size"), "CommonPrefixes": ("Prefix",)},
    "list_objects_v2": {"Contents": ("Key", "ETag", "Size"), "CommonPrefixes": ("Prefix",)},
    "delete_objects": {"Deleted": ("Key",), "Errors": ("Key", "Code")},
    "get_object_tagging": {"TagSet": ("Key", "Value")},
    "list_buckets": {"Buckets": ("Name",)},
}
ORDERED = ("Contents", "CommonPrefixes")


def normal(operation, answer):
    """Of what boto3 returned."""
    found = {"status": answer["ResponseMetadata"]["HTTPStatusCode"]}
    source = answer.get("CopyObjectResult", answer)
    for name in FIELDS.get(operation, ("ETag",) if operation == "copy_object" else ()):
        value = source.get(name)
        if value not in (None, "", {}):  # An empty element and none are the same to every client.
            found[name] = value
    for name, columns in ROWS.get(operation, {}).items():
        rows = [tuple(row.get(column) for column in columns) for row in answer.get(name, [])]
        found[name] = rows if name in ORDERED else sorted(rows)
    if operation == "get_object":
        body = answer["Body"].read()
        found["body"] = f"{len(body)} octets, MD5 {hashlib.md5(body).hexdigest()}"
    return found
