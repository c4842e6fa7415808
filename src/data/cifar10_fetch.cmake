# Run as a script: takes cifar-10-binary.tar.gz from ARCHIVE, or from its home page where ARCHIVE is
# empty, checks it and unpacks it into the folder DESTINATION.
cmake_minimum_required(VERSION 3.25)

set(url "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz")
set(md5 "c32a1d4ab5d03f1284b67883e8d87530") # as published on the home page
set(folder "${DESTINATION}/cifar-10-batches-bin")
set(batches data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin
            test_batch.bin)
set(by_hand "Download ${url} elsewhere, put it on this machine, and run\n\
    cmake -DAE_CIFAR10_ARCHIVE=/path/to/cifar-10-binary.tar.gz build\n\
    cmake --build build --target cifar10")

# Are all the batches in the folder, in their full size?
function(find_batches result)
  set(${result} TRUE PARENT_SCOPE)
  foreach(batch IN LISTS batches)
    set(size 0)
    if(EXISTS "${folder}/${batch}")
      file(SIZE "${folder}/${batch}" size)
    endif()
    if(NOT size EQUAL 30730000)
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
  message(FATAL_ERROR "${archive} was unpacked, but ${folder} lacks some of the batches: is "
                      "the disk full?")
endif()
if(NOT ARCHIVE)
  file(REMOVE "${archive}")
endif()
message(STATUS "CIFAR-10 is in ${folder}; set data.dir to it")
