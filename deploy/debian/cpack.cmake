# Debian packages, by `cpack -G DEB` in a release build. One for each part, since hosts differ: a node has an agent
# and must not have the program that holds the authority's key, an administrator's machine has apkctl alone.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The maintainers of the mirroring gateway <maintainers@gateway.invalid>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL apk-control-plane apk-data-plane apkctl apk-inspector)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# apk_package(NAME SUMMARY TEXT [DEPENDS text] [RECOMMENDS text] [ENV file] [USER name] [UPGRADE command])
# ENV: it has a service, with this file of flags, which the administrator may change.
# USER: made at installation. UPGRADE: what systemctl does to the service where it runs: restart or reload.
macro(apk_package name summary text)
  cmake_parse_arguments(ARG "" "DEPENDS;RECOMMENDS;ENV;USER;UPGRADE" "" ${ARGN})
  string(TOUPPER ${name} component)
  set(CPACK_DEBIAN_${component}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${component}_DESCRIPTION "${summary}\n${text}")
  set(CPACK_DEBIAN_${component}_PACKAGE_DEPENDS "${ARG_DEPENDS}")
  set(CPACK_DEBIAN_${component}_PACKAGE_RECOMMENDS "${ARG_RECOMMENDS}")
  if(ARG_ENV)
    set(scripts ${CMAKE_BINARY_DIR}/debian/${name})
    set(package ${name})
    set(user "${ARG_USER}")
    set(upgrade ${ARG_UPGRADE})
    file(CONFIGURE OUTPUT ${scripts}/conffiles CONTENT "/etc/apk/${ARG_ENV}\n")
    foreach(script postinst prerm postrm)
      configure_file(${CMAKE_CURRENT_LIST_DIR}/${script}.in ${scripts}/${script} @ONLY)
    endforeach()
    set(CPACK_DEBIAN_${component}_PACKAGE_CONTROL_EXTRA
      ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm ${scripts}/postrm)
  endif()
endmacro()

apk_package(apk-control-plane "control plane of the mirroring gateway"
  "Validates and stores resources, and streams them to the gateway's agents."
  DEPENDS "passwd" RECOMMENDS "apkctl" ENV control-plane.env USER apk-control-plane UPGRADE restart)
apk_package(apk-data-plane "agent of the mirroring gateway"
  "Routes, forwards and mirrors requests, as the control plane tells it."
  DEPENDS "passwd" RECOMMENDS "ca-certificates" ENV data-plane.env USER apk-data-plane UPGRADE reload)
apk_package(apkctl "command line of the mirroring gateway"
  "Applies and shows the gateway's resources.")
apk_package(apk-inspector "inspector of mirrored requests, and a sample backend"
  "A request bin with a live page, and a backend that remembers what it received: to try mirroring with."
  ENV inspector.env UPGRADE restart)
include(CPack)
