#include "core/api/s3_listing.h"

#include <gtest/gtest.h>

#include "core/api/digest.h"
#include "core/kv/key_range.h"
#include "tests/core/api/s3_fixture.h"

namespace keelson::api {
namespace {

class S3ListingTest : public S3Fixture {
 protected:
  explicit S3ListingTest(S3Options options = {}) : S3Fixture(std::move(options)) {}

  void put_keys(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      EXPECT_EQ(ask("PUT", "/bucket/" + percent_encode(key, true), {}, key).status, 200) << key;
    }
  }

  XmlElement list(const std::string& query) { return xml_of(ask("GET", "/bucket?" + query)); }

  // "a b/ c | more": what is on the page, keys first, and whether there is another one.
  static std::string page(const XmlElement& root) {
    std::string text;
    for (const std::string element : {"Contents", "Version", "Upload", "CommonPrefixes", "Part"}) {
      for (const XmlElement& child : root.children) {
        if (child.name != element) continue;
        const std::string_view name = element == "CommonPrefixes" ? child.get("Prefix")
                                      : element == "Part"         ? child.get("PartNumber")
                                                                  : child.get("Key");
        text += (text.empty() ? "" : " ") + std::string(name);
      }
    }
    return root.get("IsTruncated") == "true" ? text + " | more" : text;
  }
  std::string page(const std::string& query) { return page(list(query)); }

  // All pages, as `next` makes the query of each from the one before.
  template <typename Next>
  std::string pages(const std::string& query, Next next) {
    std::string all, more;
    for (int count = 0; count < 20; ++count) {
      const XmlElement root = list(query + more);
      all += (all.empty() ? "" : ", ") + page(root);
      if (root.get("IsTruncated") != "true") return all;
      more = next(root);
    }
    return all + ", without end";
  }
  std::string pages_v2(const std::string& query) {
    return pages("list-type=2&" + query, [](const XmlElement& root) {
      return "&continuation-token=" + percent_encode(root.get("NextContinuationToken"));
    });
  }
};

TEST_F(S3ListingTest, KeysAreInTheOrderOfTheirOctets) {
  put_keys({"b", "a", "B", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xef\xbf\xbd", "a/b", "a0", "a "});
  EXPECT_EQ(page("list-type=2"), "B a a  a/b a0 b \xc3\xa9 \xef\xbf\xbd \xf0\x9f\x98\x80");
  EXPECT_EQ(page(""), page("list-type=2"));
  EXPECT_EQ(page("versions"), page("list-type=2"));
}

TEST_F(S3ListingTest, AnObjectIsDescribedAsV2Does) {
  put("hello");
  const HttpResponse answer = ask("GET", "/bucket?list-type=2");
  EXPECT_EQ(answer.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name><Prefix></Prefix>"
            "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount>"
            "<Contents><Key>key</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>"
            "<ETag>\"5d41402abc4b2a76b9719d911017c592\"</ETag><Size>5</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>");
  const XmlElement owned = list("list-type=2&fetch-owner=true");
  EXPECT_EQ((*(*owned.find("Contents")).find("Owner")).get("ID"), "keelson");
}

TEST_F(S3ListingTest, AnObjectIsDescribedAsV1Does) {
  put("hello");
  const XmlElement root = list("prefix=k&marker=a&delimiter=%2f");
  EXPECT_EQ(root.get("Prefix"), "k");
  EXPECT_EQ(root.get("Marker"), "a");
  EXPECT_EQ(root.get("Delimiter"), "/");
  const XmlElement& object = *root.find("Contents");
  EXPECT_EQ(object.get("Size"), "5");
  EXPECT_EQ((*object.find("Owner")).get("ID"), "keelson");
}

TEST_F(S3ListingTest, EveryObjectHasTheVersionNull) {
  put("hello");
  const XmlElement root = list("versions");
  EXPECT_EQ(root.name, "ListVersionsResult");
  const XmlElement& version = *root.find("Version");
  EXPECT_EQ(version.get("VersionId"), "null");
  EXPECT_EQ(version.get("IsLatest"), "true");
  EXPECT_EQ(version.get("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
  EXPECT_EQ(error_of(ask("GET", "/bucket?versions&version-id-marker=null")), "400 InvalidArgument");
  EXPECT_EQ(error_of(ask("GET", "/bucket?versions&key-marker=a&version-id-marker=x")),
            "400 InvalidArgument");
}

TEST_F(S3ListingTest, PrefixAndDelimiterMakeFolders) {
  put_keys({"a/1", "a/2", "a/b/3", "ab", "c/4", "d"});
  EXPECT_EQ(page("list-type=2&delimiter=/"), "ab d a/ c/");
  EXPECT_EQ(page("list-type=2&delimiter=/&prefix=a/"), "a/1 a/2 a/b/");
  EXPECT_EQ(page("list-type=2&delimiter=/&prefix=a"), "ab a/");
  EXPECT_EQ(page("list-type=2&prefix=a/"), "a/1 a/2 a/b/3");
  EXPECT_EQ(page("list-type=2&delimiter=/b/"), "a/1 a/2 ab c/4 d a/b/");
  EXPECT_EQ(page("list-type=2&delimiter="), "a/1 a/2 a/b/3 ab c/4 d");
  EXPECT_EQ(page("list-type=2&prefix=none"), "");
  EXPECT_EQ(list("list-type=2&delimiter=/").get("KeyCount"), "4");
}

TEST_F(S3ListingTest, ADelimiterWithinThePrefixIsNone) {
  put_keys({"a/b/c", "a/bd"});
  EXPECT_EQ(page("list-type=2&delimiter=/&prefix=a/b"), "a/bd a/b/");
  EXPECT_EQ(page("list-type=2&delimiter=b&prefix=a/b"), "a/b/c a/bd");
}

TEST_F(S3ListingTest, NeighboursOfTheBucketAreNotListed) {
  for (const std::string name : {"bucket-2", "bucke", "bucket.a"}) {
    ask("PUT", "/" + name);
    ask("PUT", "/" + name + "/other", {}, "x");
  }
  put_keys({"own"});
  EXPECT_EQ(page("list-type=2"), "own");
}

TEST_F(S3ListingTest, PagesGoOnBehindTheLastNameAndItsFolder) {
  put_keys({"a/1", "a/2", "b", "c/1", "c/2", "d"});
  EXPECT_EQ(pages_v2("max-keys=2"), "a/1 a/2 | more, b c/1 | more, c/2 d");
  EXPECT_EQ(pages_v2("max-keys=1&delimiter=/"), "a/ | more, b | more, c/ | more, d");
  EXPECT_EQ(pages_v2("max-keys=6"), "a/1 a/2 b c/1 c/2 d");
  EXPECT_EQ(pages_v2("max-keys=1&prefix=c/"), "c/1 | more, c/2");
}

TEST_F(S3ListingTest, MarkersGoOnLikewise) {
  put_keys({"a/1", "a/2", "b", "c/1", "c/2", "d"});
  const auto by_next_marker = [](const XmlElement& root) {
    return "&marker=" + percent_encode(root.get("NextMarker"));
  };
  EXPECT_EQ(pages("max-keys=1&delimiter=/", by_next_marker), "a/ | more, b | more, c/ | more, d");
  EXPECT_EQ(list("max-keys=1").find("NextMarker"), nullptr) << "the last key is";
  EXPECT_EQ(page("marker=a/1&max-keys=2"), "a/2 b | more");
  EXPECT_EQ(page("marker=a/1&delimiter=/"), "b d c/") << "a/ is behind the marker already";
  EXPECT_EQ(page("list-type=2&start-after=a/1&delimiter=/"), "b d a/ c/") << "a name is not";
  EXPECT_EQ(page("marker=zzz"), "");
  EXPECT_EQ(page("marker=c&prefix=a"), "");
  EXPECT_EQ(page("marker=A&prefix=a"), "a/1 a/2");
}

TEST_F(S3ListingTest, VersionsGoOnBehindTheirKeyMarker) {
  put_keys({"a/1", "a/2", "b", "c"});
  const auto next = [](const XmlElement& root) {
    std::string more = "&key-marker=" + percent_encode(root.get("NextKeyMarker"));
    const std::string version(root.get("NextVersionIdMarker"));
    return version.empty() ? more : more + "&version-id-marker=" + version;
  };
  EXPECT_EQ(pages("versions&max-keys=3", next), "a/1 a/2 b | more, c");
  EXPECT_EQ(pages("versions&max-keys=1&delimiter=/", next), "a/ | more, b | more, c");
}

TEST_F(S3ListingTest, AFullPageMayBeTheLast) {
  put_keys({"a", "b"});
  EXPECT_EQ(page("list-type=2&max-keys=2"), "a b");
  EXPECT_EQ(page("list-type=2&max-keys=1"), "a | more");
  EXPECT_EQ(page("list-type=2&max-keys=0"), "");
  EXPECT_EQ(list("list-type=2&max-keys=0").get("MaxKeys"), "0");
  EXPECT_EQ(list("list-type=2&max-keys=5000").get("MaxKeys"), "1000");
}

TEST_F(S3ListingTest, AThousandKeysAreAPage) {
  for (int i = 0; i < 1001; ++i) {
    store_.values[object_record_key("bucket", "k" + std::to_string(10'000 + i))] = {
        ObjectRecord{.head = {.etag = "e"}, .headers = {}}.encode(), 1};
  }
  const XmlElement root = list("list-type=2&max-keys=100000");
  EXPECT_EQ(root.get("KeyCount"), "1000");
  EXPECT_EQ(root.get("IsTruncated"), "true");
  EXPECT_EQ(page("list-type=2&continuation-token=" +
                 percent_encode(root.get("NextContinuationToken"))),
            "k11000");
}

TEST_F(S3ListingTest, TokensAreTheirOwn) {
  put_keys({"a", "b", "c"});
  const XmlElement first = list("list-type=2&max-keys=1");
  const std::string token(first.get("NextContinuationToken"));
  const XmlElement second =
      list("list-type=2&start-after=b&continuation-token=" + percent_encode(token));
  EXPECT_EQ(page(second), "b c") << "a token is before start-after";
  EXPECT_EQ(second.get("ContinuationToken"), token);
  for (const std::string wrong : {"", "b", "YQ==", "%ff"}) {
    EXPECT_EQ(error_of(ask("GET", "/bucket?list-type=2&continuation-token=" + wrong)),
              "400 InvalidArgument")
        << wrong;
  }
}

TEST_F(S3ListingTest, AKeyThatIsDeletedBetweenPagesIsNotMissed) {
  put_keys({"a", "b", "c"});
  const std::string token(list("list-type=2&max-keys=1").get("NextContinuationToken"));
  ask("DELETE", "/bucket/a");
  ask("DELETE", "/bucket/b");
  put_keys({"a0"});
  EXPECT_EQ(page("list-type=2&continuation-token=" + percent_encode(token)), "a0 c");
}

TEST_F(S3ListingTest, NamesArePercentEncodedOnDemand) {
  put_keys({"a b+c&/d", "x/\xc3\xa9"});
  const XmlElement root =
      list("list-type=2&encoding-type=url&start-after=%20&prefix=a%20&delimiter=%2B");
  EXPECT_EQ(page(root), "a+b%2B");
  EXPECT_EQ(root.get("EncodingType"), "url");
  EXPECT_EQ(root.get("StartAfter"), "+");
  EXPECT_EQ(root.get("Prefix"), "a+");
  EXPECT_EQ(root.get("Delimiter"), "%2B");
  EXPECT_EQ(page("list-type=2&encoding-type=url"), "a+b%2Bc%26/d x/%C3%A9");
  EXPECT_EQ(list("marker=%20&encoding-type=url").get("Marker"), "+");
  EXPECT_EQ(list("max-keys=1&delimiter=%2B&encoding-type=url").get("NextMarker"), "a+b%2B");
  EXPECT_EQ(list("versions&max-keys=1&encoding-type=url").get("NextKeyMarker"), "a+b%2Bc%26/d");
}

TEST_F(S3ListingTest, OddKeysSurviveTheDocument) {
  put_keys({" ", "<&>\"'", "a\r\nb\t", "\x01"});
  const XmlElement root = list("list-type=2");
  EXPECT_EQ(page(root), "\x01   <&>\"' a\r\nb\t");
  EXPECT_EQ(page("list-type=2&encoding-type=url"), "%01 + %3C%26%3E%22%27 a%0D%0Ab%09");
}

TEST_F(S3ListingTest, WhatIsAskedWronglyIsRefused) {
  for (const std::string query :
       {"max-keys=x", "max-keys=-1", "max-keys=99999999999", "encoding-type=base64"}) {
    for (const std::string form : {"list-type=2&", "", "versions&"}) {
      EXPECT_EQ(error_of(ask("GET", "/bucket?" + form + query)), "400 InvalidArgument") << query;
    }
  }
  EXPECT_EQ(error_of(ask("GET", "/bucket?prefix=%ff")), "400 InvalidURI");
  EXPECT_EQ(error_of(ask("GET", "/bucket?marker=" + std::string(1025, 'k'))),
            "400 KeyTooLongError");
  EXPECT_EQ(error_of(ask("GET", "/bucket?list-type=3")), "501 NotImplemented");
  EXPECT_EQ(error_of(ask("GET", "/UPPER?list-type=2")), "400 InvalidBucketName");
}

TEST_F(S3ListingTest, ABucketThatIsGoneIsNotEmpty) {
  for (const std::string query :
       {"list-type=2", "", "versions", "uploads", "list-type=2&max-keys=0"}) {
    EXPECT_EQ(error_of(ask("GET", "/nobody?" + query)), "404 NoSuchBucket") << query;
  }
  put("x");
  store_.before_get = [&] { store_.values.erase(bucket_record_key("bucket")); };
  EXPECT_EQ(error_of(ask("GET", "/bucket?list-type=2")), "404 NoSuchBucket")
      << "the bucket is looked at after its objects";
}

TEST_F(S3ListingTest, AScanThatEndsEarlyIsGoneOnWith) {
  put_keys({"a", "b", "c"});
  // As at the end of a shard, or where rows are too young for the reader.
  store_.scan_stop = object_record_key("bucket", "a5");
  EXPECT_EQ(pages_v2("max-keys=10"), "a | more, b c");
  store_.scan_stop = object_record_key("bucket", "A");
  EXPECT_EQ(pages_v2("max-keys=10"), "a b c") << "no page is empty but the last";
}

// --- uploads and parts ---

class S3UploadListingTest : public S3ListingTest {
 protected:
  static constexpr std::size_t kChunk = 64;
  S3UploadListingTest()
      : S3ListingTest({.chunk_bytes = kChunk, .inline_bytes_max = 8, .part_bytes_min = 4}) {}

  std::string begin(const std::string& key, HttpHeaders headers = {}) {
    return std::string(
        xml_of(ask("POST", "/bucket/" + key + "?uploads", std::move(headers))).get("UploadId"));
  }
};

TEST_F(S3UploadListingTest, UploadsAreListedUntilTheyEnd) {
  const std::string upload = begin("a/key", {{"x-amz-checksum-algorithm", "CRC32"}});
  const std::string other = begin("b");
  const XmlElement root = list("uploads");
  EXPECT_EQ(root.name, "ListMultipartUploadsResult");
  EXPECT_EQ(root.get("Bucket"), "bucket");
  EXPECT_EQ(root.get("MaxUploads"), "1000");
  EXPECT_EQ(page(root), "a/key b");
  const XmlElement& first = *root.find("Upload");
  EXPECT_EQ(first.get("UploadId"), upload);
  EXPECT_EQ(first.get("Initiated"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(first.get("StorageClass"), "STANDARD");
  EXPECT_EQ(first.get("ChecksumAlgorithm"), "CRC32");
  EXPECT_EQ((*first.find("Owner")).get("ID"), "keelson");
  EXPECT_EQ((*first.find("Initiator")).get("ID"), "keelson");
  EXPECT_EQ(ask("DELETE", "/bucket/a/key?uploadId=" + upload).status, 204);
  EXPECT_EQ(page("uploads"), "b");
}

TEST_F(S3UploadListingTest, UploadsArePagedByKeyAndId) {
  begin("a");
  begin("a");
  begin("a");
  begin("b");
  const auto next = [](const XmlElement& root) {
    return "&key-marker=" + percent_encode(root.get("NextKeyMarker")) +
           "&upload-id-marker=" + std::string(root.get("NextUploadIdMarker"));
  };
  EXPECT_EQ(pages("uploads&max-uploads=2", next), "a a | more, a b");
  EXPECT_EQ(pages("uploads&max-uploads=1", next), "a | more, a | more, a | more, b");
  EXPECT_EQ(page("uploads&key-marker=a"), "b");
  EXPECT_EQ(page("uploads&max-uploads=0"), "");
  EXPECT_EQ(error_of(ask("GET", "/bucket?uploads&key-marker=a&upload-id-marker=x")),
            "400 InvalidArgument");
  EXPECT_EQ(error_of(ask("GET", "/bucket?uploads&max-uploads=x")), "400 InvalidArgument");
}

TEST_F(S3UploadListingTest, UploadsAreFolded) {
  for (const std::string key : {"a/1", "a/1", "a/2", "b", "c/1"}) begin(key);
  EXPECT_EQ(page("uploads&delimiter=/"), "b a/ c/");
  EXPECT_EQ(page("uploads&delimiter=/&prefix=a/"), "a/1 a/1 a/2");
  EXPECT_EQ(page("uploads&prefix=c"), "c/1");
  EXPECT_EQ(page("uploads&delimiter=/&encoding-type=url&prefix=a/&key-marker=a/1"), "a/2");
  const auto next = [](const XmlElement& root) {
    return "&key-marker=" + percent_encode(root.get("NextKeyMarker")) +
           "&upload-id-marker=" + std::string(root.get("NextUploadIdMarker"));
  };
  EXPECT_EQ(pages("uploads&delimiter=/&max-uploads=1", next), "a/ | more, b | more, c/");
}

TEST_F(S3UploadListingTest, UploadsOfABucketThatWasDeletedAreNotThoseOfItsSuccessor) {
  begin("old");
  EXPECT_EQ(ask("DELETE", "/bucket").status, 204);
  clock_.advance_to(clock_.now() + std::chrono::seconds(1));
  ask("PUT", "/bucket");
  EXPECT_EQ(page("uploads"), "");
  begin("new");
  EXPECT_EQ(page("uploads"), "new");
}

TEST_F(S3UploadListingTest, PartsAreListedInTheOrderOfTheirNumbers) {
  const std::string upload = begin("key");
  const std::string target = "/bucket/key?uploadId=" + upload;
  for (const std::string number : {"10000", "2", "1"}) {
    EXPECT_EQ(ask("PUT", target + "&partNumber=" + number,
                  {{"x-amz-checksum-sha1", base64_encode(sha1("hello"))}}, "hello")
                  .status,
              200);
  }
  const XmlElement root = xml_of(ask("GET", target));
  EXPECT_EQ(root.name, "ListPartsResult");
  EXPECT_EQ(root.get("UploadId"), upload);
  EXPECT_EQ(root.get("Key"), "key");
  EXPECT_EQ(page(root), "1 2 10000");
  const XmlElement& part = *root.find("Part");
  EXPECT_EQ(part.get("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
  EXPECT_EQ(part.get("Size"), "5");
  EXPECT_EQ(part.get("LastModified"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(part.get("ChecksumSHA1"), base64_encode(sha1("hello")));
  const XmlElement first = xml_of(ask("GET", target + "&max-parts=2"));
  EXPECT_EQ(page(first), "1 2 | more");
  EXPECT_EQ(first.get("NextPartNumberMarker"), "2");
  EXPECT_EQ(page(xml_of(ask("GET", target + "&part-number-marker=2"))), "10000");
  EXPECT_EQ(page(xml_of(ask("GET", target + "&part-number-marker=10000"))), "");
  EXPECT_EQ(page(xml_of(ask("GET", target + "&max-parts=0"))), "");
}

TEST_F(S3UploadListingTest, PartsOfNoUploadAreNotListed) {
  const std::string upload = begin("key");
  EXPECT_EQ(error_of(ask("GET", "/bucket/other?uploadId=" + upload)), "404 NoSuchUpload");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key?uploadId=nonsense")), "404 NoSuchUpload");
  EXPECT_EQ(error_of(ask("GET", "/nobody/key?uploadId=" + upload)), "404 NoSuchBucket");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key?max-parts=x&uploadId=" + upload)),
            "400 InvalidArgument");
  EXPECT_EQ(error_of(ask("GET", "/bucket/key?part-number-marker=x&uploadId=" + upload)),
            "400 InvalidArgument");
  ask("DELETE", "/bucket/key?uploadId=" + upload);
  EXPECT_EQ(error_of(ask("GET", "/bucket/key?uploadId=" + upload)), "404 NoSuchUpload");
}

}  // namespace
}  // namespace keelson::api
