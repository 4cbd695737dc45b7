# What `cmake --install` puts where: the programs, libkith with its headers, and what find_package(kith) and
# pkg-config need to find it. Included last, when all targets are known.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(program kithd kith_cli tmtpd)
    if(TARGET ${program})
        install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
        # In the prefix, too, programs find a library of ours wherever the prefix is moved to.
        file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
        set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
    endif()
endforeach()
# A unit names programs where this install puts them, which is known only when it is done.
function(install_unit template destination)
    get_filename_component(name ${template} NAME_WLE)
    install(CODE "
        set(BINDIR \"${CMAKE_INSTALL_BINDIR}\")
        set(DOCDIR \"${CMAKE_INSTALL_DOCDIR}\")
        foreach(folder BINDIR DOCDIR)
            cmake_path(ABSOLUTE_PATH \${folder} BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
        endforeach()
        configure_file(\"${CMAKE_SOURCE_DIR}/${template}\" \"${CMAKE_BINARY_DIR}/install/${name}\" @ONLY)
        file(INSTALL \"${CMAKE_BINARY_DIR}/install/${name}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${destination}\")")
endfunction()

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    # For `systemctl --user enable --now kithd.socket`, and `systemctl enable --now tmtpd`.
    install_unit(tools/systemd/kithd.service.in lib/systemd/user)
    install(FILES ${CMAKE_SOURCE_DIR}/tools/systemd/kithd.socket DESTINATION lib/systemd/user)
    install_unit(tools/tmtpd/tmtpd.service.in lib/systemd/system)
    install(FILES ${CMAKE_SOURCE_DIR}/tools/tmtpd/tmtpd.sysusers DESTINATION lib/sysusers.d RENAME tmtpd.conf)
endif()
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/tools/tmtpd/tmtpd.conf
    DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET kith)
    set(map ${CMAKE_SOURCE_DIR}/tools/cmake/libkith.map)
    set_target_properties(kith PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}  # before 1.0 a minor version may break
        LINK_DEPENDS ${map})
    target_link_options(kith PRIVATE -Wl,--version-script=${map})
    if(NOT KITH_SANITIZE)  # whose symbols come from the program
        target_link_options(kith PRIVATE -Wl,--no-undefined)
    endif()
    target_compile_features(kith INTERFACE cxx_std_20)

    install(TARGETS kith EXPORT kithTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/kith DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")

    set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kith)
    install(EXPORT kithTargets NAMESPACE kith:: DESTINATION ${cmake_dir})
    configure_package_config_file(${CMAKE_SOURCE_DIR}/tools/cmake/kithConfig.cmake.in
        ${CMAKE_BINARY_DIR}/install/kithConfig.cmake INSTALL_DESTINATION ${cmake_dir}
        PATH_VARS CMAKE_INSTALL_BINDIR)
    write_basic_package_version_file(${CMAKE_BINARY_DIR}/install/kithConfigVersion.cmake
        COMPATIBILITY SameMinorVersion)
    install(FILES ${CMAKE_BINARY_DIR}/install/kithConfig.cmake ${CMAKE_BINARY_DIR}/install/kithConfigVersion.cmake
        DESTINATION ${cmake_dir})

    set(pc_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
    file(RELATIVE_PATH KITH_PC_PREFIX ${pc_dir} ${CMAKE_INSTALL_PREFIX})
    configure_file(${CMAKE_SOURCE_DIR}/tools/cmake/kith.pc.in ${CMAKE_BINARY_DIR}/install/kith.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/install/kith.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
