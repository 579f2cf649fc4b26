# quire_text_file(TARGET FILE NAME): std::string_view quire::NAME holds the text of FILE, declared by
# the header that needs it.
function(quire_text_file target file name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT [=[
#include <string_view>
namespace quire {
extern const std::string_view @name@;
const std::string_view @name@ = R"=text=(@text@)=text=";
}  // namespace quire
]=] @ONLY)
  target_sources(${target} PRIVATE ${source})
endfunction()
