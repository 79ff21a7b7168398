#pragma once

#include <cstddef>
#include <cstdint>

#include "heap_words.h"

namespace snapheap {

// Many strings: string i is bytes[starts[i], ends[i]), absent where ends[i] is -1. The caller has checked the arrays'
// sizes.
struct Texts {
  const uint8_t* bytes;
  size_t bytes_size;
  const int32_t* starts;
  const int32_t* ends;
  size_t first;
  size_t count;
};

constexpr size_t kGroupHalves = 4;
// Halves of a group of equal strings.
enum Group { kFirst, kHash, kStrings, kAddress };
constexpr int64_t kOutside = -1;

// What TextGrouper.group of src/value/texts.ts does: fills `words` (2 halves a string) and `groups` (kGroupHalves a
// group, room for one per string), whose addresses are then 0. Returns the number of groups, or kOutside when a string
// leaves its bytes.
int64_t GroupTexts(uint32_t seed, const Texts& texts, uint32_t* words, uint32_t* groups);

// What TextGrouper.find does: gives `count` groups the addresses of their objects in the hash table whose descriptor is
// at `table`, 0 where there is none. False when the table or a group leads outside.
//
// Everything that one group needs from memory is fetched while others are worked on: the slot of the table, then the
// object found there.
bool FindTexts(const HeapWords& heap, uint32_t table, const Texts& texts, uint32_t* groups, size_t count);

}  // namespace snapheap
