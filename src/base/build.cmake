# Writes build_generated.h with the git revision of SOURCE_DIR, at every build; the file is touched only
# where it changes. Outside a git checkout the revision is "unknown".
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=*
                WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE AE_REVISION
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR AE_REVISION STREQUAL "")
  set(AE_REVISION "unknown")
endif()
configure_file(${SOURCE_DIR}/src/base/build.h.in ${OUTPUT} @ONLY)
