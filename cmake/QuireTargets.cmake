# quire_folder(NAME [DEPS quire_x ...] [LIBS Pkg::lib ...])
#
# Makes library quire_NAME from all *.cc of the folder and, from its *_test.cc, the test program
# NAME_test. Files ending in _isa.cc are left out: kernels/ compiles those once per instruction set.
function(quire_folder name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  file(GLOB headers CONFIGURE_DEPENDS *.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|isa)\\.cc$")
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cc "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cc)
  endif()
  add_library(quire_${name} STATIC ${sources})
  target_include_directories(quire_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(quire_${name} PUBLIC ${ARG_DEPS} ${ARG_LIBS})
  if(QUIRE_TESTS AND tests)
    quire_test(${name}_test SOURCES ${tests} DEPS quire_${name})
  endif()
endfunction()

# quire_test(NAME SOURCES ... DEPS ... [TIMEOUT seconds]): a GoogleTest program known to ctest.
#
# Most of a test's compile time is reading headers and optimising what runs once: so several test
# files are compiled as one, and less optimised than what they test. A file whose names are those of
# another of its folder is compiled by itself: quire_alone(FILE ...) before the folder's quire_folder.
function(quire_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 1200)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE QUIRE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} rapidcheck GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()

function(quire_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
