# cmake -DOUT=FILE -DFOLDER=FOLDER -P embed.cmake: the sources of the page as constants.
file(READ ${FOLDER}/page.html html)
file(READ ${FOLDER}/page.css css)
# Each part by itself: a compiler need not take a literal of more than 64 KiB.
set(script "")
foreach(part model draw page)
  file(READ ${FOLDER}/${part}.js text)
  string(APPEND script "R\"keelson(${text})keelson\",\n")
endforeach()
file(WRITE ${OUT} "#include \"tools/show/page_files.h\"\n
namespace keelson::show {\n
const std::string_view kPageHtml = R\"keelson(${html})keelson\";
const std::string_view kPageCss = R\"keelson(${css})keelson\";
const std::array<std::string_view, 3> kPageScripts{\n${script}};\n
}  // namespace keelson::show\n")
