# cmake -DOUT=FILE -DFOLDER=FOLDER -P embed.cmake: the sources of the page as constants.
file(READ ${FOLDER}/page.html html)
file(READ ${FOLDER}/page.css css)
set(script "")
foreach(part model draw page)
  file(READ ${FOLDER}/${part}.js text)
  string(APPEND script "${text}\n")
endforeach()
file(WRITE ${OUT} "#include \"tools/show/page_files.h\"\n
namespace keelson::show {\n
const std::string_view kPageHtml = R\"keelson(${html})keelson\";
const std::string_view kPageCss = R\"keelson(${css})keelson\";
const std::string_view kPageScript = R\"keelson(${script})keelson\";\n
}  // namespace keelson::show\n")
