# How every target of kith is compiled, and the functions that declare layers, tests and fuzz targets.

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Paths count from the tree's top, so that one clone's objects serve the next.
    set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(MOLD mold)
if(MOLD)
    add_link_options(-fuse-ld=mold)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.3)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# Our own code: strict. Libraries' headers come in as system headers.
add_library(kith_warnings INTERFACE)
target_compile_options(kith_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
    -Woverloaded-virtual -Wnull-dereference -Wformat=2 -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports these falsely inside the standard library at -O2 and with sanitizers.
    target_compile_options(kith_warnings INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized -Wno-stringop-overflow
        -Wno-array-bounds -Wno-restrict -Wno-stringop-overread -Wno-free-nonheap-object)
endif()

# Everything that is linked: hardened.
add_compile_options(-fstack-protector-strong -fno-strict-overflow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_compile_options(-fcf-protection -fstack-clash-protection)
endif()
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT KITH_SANITIZE)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(NOT APPLE)
    add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()

if(KITH_SANITIZE)
    add_compile_options(-fsanitize=${KITH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${KITH_SANITIZE})
    add_compile_definitions(KITH_SANITIZED)  # for what their runtimes do not go with
endif()
if(KITH_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# CMake's own default is -O3, which takes a sixth longer to compile and runs no faster here.
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")

# Optimizing takes most of a build's time. What does no long work is built without when there are sanitizers; and with
# OUTSIDE, code around what is measured and fuzzed, it is optimized little in a release, and fuzzers do not watch it.
function(kith_build_fast target)
    if(KITH_SANITIZE)
        target_compile_options(${target} PRIVATE -O0)
    elseif("OUTSIDE" IN_LIST ARGN AND CMAKE_BUILD_TYPE STREQUAL "Release")
        target_compile_options(${target} PRIVATE -O1)
    endif()
    if("OUTSIDE" IN_LIST ARGN AND KITH_FUZZ)
        target_compile_options(${target} PRIVATE -fno-sanitize=fuzzer-no-link)
    endif()
endfunction()

# With CMAKE_UNITY_BUILD several sources are compiled as one, which halves a whole build's time. Not those whose
# headers of libraries do not get along, or that are linked one by one.
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(kith_warnings INTERFACE -Wno-shadow)  # of names in one source by those in another
elseif(CMAKE_UNITY_BUILD)
    target_compile_options(kith_warnings INTERFACE -Wno-subobject-linkage)  # which takes a source for a header
endif()
# These sources of it; none named: each.
function(kith_build_apart target)
    if(ARGN)
        set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    else()
        set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)
    endif()
endfunction()

# kith_layer(NAME SOURCES ... [DEPENDS layers ...] [LINK libraries ...])
# One static library a layer: kith_NAME. Headers are included as "NAME/file.h".
function(kith_layer name)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
    add_library(kith_${name} STATIC ${ARG_SOURCES})
    target_include_directories(kith_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
    list(TRANSFORM ARG_DEPENDS PREPEND kith_)
    target_link_libraries(kith_${name} PUBLIC ${ARG_DEPENDS} PRIVATE kith_warnings ${ARG_LINK})
endfunction()

# kith_test(NAME SOURCES ... [DEPENDS layers ...] [LINK libraries ...] [COMPUTES])
# A doctest program kith_test_NAME, run by ctest under NAME. One that COMPUTES for long is optimized when sanitized, too:
# what headers define is linked from here into the layers, and decides how long it takes.
function(kith_test name)
    cmake_parse_arguments(ARG "COMPUTES" "" "SOURCES;DEPENDS;LINK" ${ARGN})
    add_executable(kith_test_${name} ${ARG_SOURCES})
    list(TRANSFORM ARG_DEPENDS PREPEND kith_)
    target_include_directories(kith_test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(kith_test_${name} PRIVATE ${ARG_DEPENDS} kith_test_main kith_warnings ${ARG_LINK})
    kith_build_fast(kith_test_${name} OUTSIDE)
    if(ARG_COMPUTES AND KITH_SANITIZE)
        target_compile_options(kith_test_${name} PRIVATE -O1)
    endif()
    target_compile_definitions(kith_test_${name} PRIVATE KITH_VECTORS="${CMAKE_SOURCE_DIR}/tests/vectors"
        DOCTEST_CONFIG_SUPER_FAST_ASSERTS)  # fast to compile, which is what takes long
    add_test(NAME ${name} COMMAND kith_test_${name})
    # Without optimization and with sanitizers, up to thirty times as long.
    set(timeout 300)
    if(KITH_SANITIZE)
        set(timeout 900)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} PROCESSORS 2)  # see tools/test
endfunction()

# kith_process_test(LABEL NAME SECONDS [PARTS number])
# NAME_test.py, which runs the programs, as the ctest LABEL_NAME, or as several that each run some of its tests, so that
# none is what all others are over before.
function(kith_process_test label name seconds)
    cmake_parse_arguments(ARG "" "PARTS" "" ${ARGN})
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    if(KITH_SANITIZE)
        math(EXPR seconds "${seconds} * 6")
    endif()
    # The test ends by itself before that, and cleans up.
    math(EXPR timeout "${seconds} + 60")
    if(NOT ARG_PARTS)
        set(ARG_PARTS 1)
    endif()
    foreach(part RANGE 1 ${ARG_PARTS})
        set(test ${label}_${name})
        set(which "")
        if(ARG_PARTS GREATER 1)
            set(test ${test}_${part})
            set(which ${part}/${ARG_PARTS})
        endif()
        add_test(NAME ${test} COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/${name}_test.py
            $<TARGET_FILE_DIR:kithd> ${seconds} ${which})
        set_tests_properties(${test} PROPERTIES TIMEOUT ${timeout} COST ${seconds} LABELS e2e)
    endforeach()
endfunction()

# kith_fuzz(NAME SOURCE file [DEPENDS layers ...])
# With KITH_FUZZ: a libFuzzer program kith_fuzz_NAME. Without: a program of the same name that runs every file
# of tests/fuzz/corpus/NAME through the target, as the ctest fuzz_NAME.
function(kith_fuzz name)
    cmake_parse_arguments(ARG "" "SOURCE" "DEPENDS" ${ARGN})
    list(TRANSFORM ARG_DEPENDS PREPEND kith_)
    if(KITH_FUZZ)
        add_executable(kith_fuzz_${name} ${ARG_SOURCE})
        target_link_libraries(kith_fuzz_${name} PRIVATE ${ARG_DEPENDS} kith_warnings)
        target_link_options(kith_fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(kith_fuzz_${name} ${ARG_SOURCE} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.cpp)
        target_link_libraries(kith_fuzz_${name} PRIVATE ${ARG_DEPENDS} kith_warnings)
        add_test(NAME fuzz_${name} COMMAND kith_fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    endif()
    target_include_directories(kith_fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
endfunction()
