#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "heap_words.h"
#include "word_hash.h"

namespace snapheap {

// A segment of a hash table (src/struct/hash-table.ts), and the first slot to look at.
struct HashPlace {
  uint32_t segment;
  uint32_t mask;
  uint32_t slot;
};

// Where a hash belongs in the table with this descriptor; false when that leads outside the heap.
inline bool FindPlace(const HeapWords& heap, const uint32_t* descriptor, uint32_t hash, HashPlace* place) {
  const uint32_t depth = descriptor[1];
  const uint32_t* entry = heap.At(depth == 0 ? descriptor[0] : descriptor[0] + (hash >> (kHashBits - depth)));
  if (entry == nullptr || (entry[1] >> 8) == 0 || (entry[1] >> 8) > kHashBits) return false;
  place->segment = entry[0];
  place->mask = (1u << (entry[1] >> 8)) - 1;
  place->slot = std::max(hash & place->mask, 1u);
  return true;
}

// Begins to fetch the slots of `count` hashes, so that waits for them overlap. False when one leads outside the heap.
bool PrefetchPlaces(const HeapWords& heap, uint32_t table, const uint32_t* hashes, size_t count);

}  // namespace snapheap
