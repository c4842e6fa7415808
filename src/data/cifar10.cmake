# Target cifar10: brings the real images into data/cifar-10-batches-bin. Not part of `all`.
set(AE_CIFAR10_ARCHIVE "" CACHE FILEPATH
    "A local copy of cifar-10-binary.tar.gz for the target cifar10; empty: download it")
add_custom_target(cifar10
  COMMAND ${CMAKE_COMMAND} "-DARCHIVE=${AE_CIFAR10_ARCHIVE}"
          "-DDESTINATION=${PROJECT_SOURCE_DIR}/data"
          -P "${CMAKE_CURRENT_LIST_DIR}/cifar10_fetch.cmake"
  USES_TERMINAL VERBATIM)
