# The flags that the contract of equal bits rests on. They undo whatever was said before them:
# shortcuts of arithmetic (-Ofast too, as far as it touches numbers), fused multiply-adds where none
# are written, other precisions. errno from mathematics and floating-point traps, which nothing here
# reads, may be left out; that comes last, for the first ones bring them back.
set(AE_ARITHMETIC_FLAGS -fno-fast-math)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND AE_ARITHMETIC_FLAGS -fno-unsafe-math-optimizations -fno-single-precision-constant
       -fexcess-precision=standard -fno-allow-store-data-races)
elseif(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  list(APPEND AE_ARITHMETIC_FLAGS -fno-approx-func -fdenormal-fp-math=ieee)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  list(APPEND AE_ARITHMETIC_FLAGS -mfpmath=sse)
endif()
list(APPEND AE_ARITHMETIC_FLAGS -fno-associative-math -fno-reciprocal-math -fno-finite-math-only
     -fsigned-zeros -fno-rounding-math -ffp-contract=off -fno-math-errno -fno-trapping-math)

# At the link -ffast-math and the like add start-up code that sets flush-to-zero; so does -Ofast,
# unless another level comes after it.
set(AE_ARITHMETIC_LINK_FLAGS -O2 ${AE_ARITHMETIC_FLAGS})
