#pragma once

#include <cstdint>
#include <cstring>

namespace snapheap {

// src/struct/hash.ts: the mixing steps of MurmurHash3 (Austin Appleby, public domain), cut to 30 bits.
constexpr uint32_t kHashBits = 30;
constexpr uint32_t kHashMask = (1u << kHashBits) - 1;

inline uint32_t RotateLeft(uint32_t value, int bits) { return (value << bits) | (value >> (32 - bits)); }

inline uint32_t MixHash(uint32_t hash, uint32_t half) {
  hash ^= RotateLeft(half * 0xcc9e2d51u, 15) * 0x1b873593u;
  return RotateLeft(hash, 13) * 5 + 0xe6546b64u;
}

inline uint32_t FinishHash(uint32_t hash, uint32_t length) {
  uint32_t h = hash ^ length;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return (h ^ (h >> 16)) & kHashMask;
}

inline uint32_t HashWord(uint32_t low, uint32_t high, uint32_t seed) {
  return FinishHash(MixHash(MixHash(seed, low), high), 8);
}

// Of bytes as an object's contents: padded with zeros to whole words.
inline uint32_t HashContents(const uint8_t* bytes, uint32_t size, uint32_t seed) {
  uint32_t hash = seed;
  uint32_t half = 0;
  uint32_t at = 0;
  for (; at + 4 <= size; at += 4) {
    memcpy(&half, bytes + at, 4);
    hash = MixHash(hash, half);
  }
  if (at < size) {
    half = 0;
    memcpy(&half, bytes + at, size - at);
    hash = MixHash(hash, half);
    at += 4;
  }
  if ((at & 4) != 0) {
    hash = MixHash(hash, 0);
    at += 4;
  }
  return FinishHash(hash, at / 4);
}

}  // namespace snapheap
