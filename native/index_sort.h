#pragma once

#include <cstddef>
#include <cstdint>

#include "heap_words.h"

namespace snapheap {

// The words that stand one after the other from `base` on, numbered from 0 to before `limit`.
struct IndexedWords {
  uint32_t base;
  uint32_t limit;
  uint32_t seed;
};

// Most words of a bucket, and of a pass, on average.
struct SortSizes {
  uint32_t bucket;
  uint32_t pass;
};

// Numbers of equal words together, and for each word where they end and its hash; each array has room for `limit`.
struct SortedNumbers {
  uint32_t* numbers;
  uint32_t* ends;
  uint32_t* hashes;
  uint32_t count;
  uint32_t words;
};

// What IndexBuilder.sort of src/table/index-builder.ts does, all of it: absent words are left out. False when the words
// lead outside the heap.
bool SortIndex(const HeapWords& heap, const IndexedWords& words, const SortSizes& sizes, SortedNumbers* sorted);

}  // namespace snapheap
