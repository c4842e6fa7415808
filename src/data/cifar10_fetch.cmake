# Run as a script: takes cifar-10-binary.tar.gz from ARCHIVE, or from its home page where ARCHIVE is
# empty, checks it and unpacks it into the folder DESTINATION.
cmake_minimum_required(VERSION 3.25)

set(url "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz")
set(md5 "c32a1d4ab5d03f1284b67883e8d87530") # as published on the home page
set(folder "${DESTINATION}/cifar-10-batches-bin")
set(batches data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin
            test_batch.bin)
set(batch_md5s # as src/data/cifar10_review.c has them
    5dd7e06a14cb22eb9f671a540d1b7c25 5ea93a67294ea407fff1d09f752e9692
    942cd6a4bcdd0dd3c604fbe906cb4421 ae636b3ba5c66a11e91e8cb52e771fcb
    53f37980c15c3d472c316c40844f3f0d 803d5f7f4d78ea53de84dbe85f74fb6d)
set(by_hand "Download ${url} elsewhere, put it on this machine, and run\n\
    cmake -DAE_CIFAR10_ARCHIVE=/path/to/cifar-10-binary.tar.gz build\n\
    cmake --build build --target cifar10")

# Are all the batches in the folder, as published?
function(find_batches result)
  set(${result} TRUE PARENT_SCOPE)
  foreach(batch batch_md5 IN ZIP_LISTS batches batch_md5s)
    set(found_md5 "")
    if(EXISTS "${folder}/${batch}")
      file(MD5 "${folder}/${batch}" found_md5)
    endif()
    if(NOT found_md5 STREQUAL batch_md5)
      set(${result} FALSE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# Puts the archive at `path`, or stops.
function(download path)
  message(STATUS "Downloading ${url} (162 MiB)")
  file(DOWNLOAD "${url}" "${path}" STATUS status SHOW_PROGRESS INACTIVITY_TIMEOUT 60)
  list(POP_FRONT status code reason)
  if(NOT code EQUAL 0)
    file(REMOVE "${path}")
    message(FATAL_ERROR "Cannot download ${url}: ${reason}.\n${by_hand}")
  endif()
endfunction()

find_batches(complete)
if(complete)
  message(STATUS "CIFAR-10 is in ${folder} already")
  return()
endif()

if(ARCHIVE)
  set(archive "${ARCHIVE}")
  if(NOT EXISTS "${archive}")
    message(FATAL_ERROR "AE_CIFAR10_ARCHIVE names ${archive}, which doesn't exist.\n${by_hand}")
  endif()
else()
  file(MAKE_DIRECTORY "${DESTINATION}")
  set(archive "${DESTINATION}/cifar-10-binary.tar.gz")
  if(NOT EXISTS "${archive}")
    download("${archive}")
  endif()
endif()

file(MD5 "${archive}" found)
if(NOT found STREQUAL md5)
  if(ARCHIVE)
    set(outcome "It was left where it is")
  else()
    file(REMOVE "${archive}")
    set(outcome "It was removed; running this again downloads it anew")
  endif()
  message(FATAL_ERROR "${archive} is not the published archive: its MD5 is ${found} where ${md5} "
                      "was expected. ${outcome}.\n${by_hand}")
endif()

message(STATUS "Unpacking ${archive}")
file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${DESTINATION}")
find_batches(complete)
if(NOT complete)
  message(FATAL_ERROR "${archive} was unpacked, but ${folder} lacks some of the batches, or "
                      "they are not as published: is the disk full?")
endif()
if(NOT ARCHIVE)
  file(REMOVE "${archive}")
endif()
message(STATUS "CIFAR-10 is in ${folder}; set data.dir to it")
