#pragma once

// CUDA's built-in vector types, with the alignment that wide loads need.

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define MT_VECTOR_2(type, name)           \
  struct alignas(2 * sizeof(type)) name { \
    type x, y;                            \
  };                                      \
  inline constexpr name make_##name(type x, type y) { return {x, y}; }
#define MT_VECTOR_4(type, name)                                        \
  struct alignas(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16) name { \
    type x, y, z, w;                                                   \
  };                                                                   \
  inline constexpr name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }

MT_VECTOR_2(int, int2)
MT_VECTOR_2(unsigned, uint2)
MT_VECTOR_2(float, float2)
MT_VECTOR_2(double, double2)
MT_VECTOR_2(long long, longlong2)
MT_VECTOR_4(unsigned char, uchar4)
MT_VECTOR_4(int, int4)
MT_VECTOR_4(unsigned, uint4)
MT_VECTOR_4(float, float4)

#undef MT_VECTOR_2
#undef MT_VECTOR_4
