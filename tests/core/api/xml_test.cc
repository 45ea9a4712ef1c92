#include "core/api/xml.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

TEST(Xml, ADocumentIsReadWithoutPrefixesAndComments) {
  const auto root = parse_xml(
      "<?xml version=\"1.0\"?><a:Delete xmlns:a='b'><!-- c --><Object><Key>a&amp;b&#x3c;&#33;</Key>"
      "</Object><Quiet><![CDATA[true]]></Quiet></a:Delete>");
  ASSERT_TRUE(root);
  EXPECT_EQ((*root).name, "Delete");
  ASSERT_EQ((*root).children.size(), 2u);
  EXPECT_EQ((*root).children[0].get("Key"), "a&b<!");
  EXPECT_EQ((*root).get("Quiet"), "true");
  EXPECT_EQ((*root).find("Object"), &(*root).children[0]);
  EXPECT_EQ((*root).find("Other"), nullptr);
}

TEST(Xml, WhiteSpaceMayBeAllThatATextIs) {
  const auto root = parse_xml("<Key> </Key>");
  ASSERT_TRUE(root);
  EXPECT_EQ((*root).text, " ");
}

TEST(Xml, WhatIsWrittenIsReadAgain) {
  XmlWriter writer("List", "http://example.com/");
  writer.begin("Entry");
  writer.add("Key", "a<b>&\"c\"");
  writer.end();
  const auto root = parse_xml(writer.finish());
  ASSERT_TRUE(root);
  EXPECT_EQ((*root).find("Entry")->get("Key"), "a<b>&\"c\"");
}

TEST(Xml, NothingThatWouldCutATextShortIsTaken) {
  for (const std::string& text :
       {std::string("<Key>a&#0;b</Key>"), std::string("<Key>a&#x0000;b</Key>"),
        std::string("<Key>a&#4294967296;b</Key>"), std::string("<Key>a&#xD800;b</Key>"),
        std::string("<Key>a&#x110000;b</Key>"), std::string("<Key>a\0b</Key>", 14)}) {
    EXPECT_FALSE(parse_xml(text)) << text;
  }
}

TEST(Xml, WhatIsNoDocumentIsRefused) {
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "<a>";
  for (int i = 0; i < 20; ++i) deep += "</a>";
  for (const std::string& text : {std::string(), std::string("text"), std::string("<a>"),
                                  std::string("<a></b>"), std::string("<a:/>"), deep}) {
    EXPECT_FALSE(parse_xml(text)) << text;
  }
  const auto entity = parse_xml("<!DOCTYPE a [<!ENTITY b \"cccc\">]><a>&b;</a>");
  EXPECT_TRUE(!entity || (*entity).text == "&b;") << "never expanded";
}

}  // namespace
}  // namespace keelson::api
