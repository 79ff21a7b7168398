#pragma once

#include <cstddef>
#include <cstdint>

#include "heap_words.h"
#include "word_tests.h"

namespace snapheap {

// What src/query/group.ts does for each row, many at a time. The caller has checked the arrays' sizes.

// A dictionary of pairs of halves as src/query/word-dictionary.ts keeps it: places of kPlaceHalves (low, high, number +
// 1, -), a power of two of them.
constexpr size_t kPlaceHalves = 4;

struct PairNumbers {
  int32_t* places;
  size_t mask;
  uint32_t size;  // pairs in it
};

// The number of each word that is an integer below `size`, plus one; 0 where it has not been met. What a dictionary
// says, found faster: keys that refer to rows are such integers.
struct IntegerNumbers {
  int32_t* numbers;
  size_t size;
};

constexpr size_t kGroupsOutside = SIZE_MAX;

// Numbers the words of an array at `count` positions, each as its dictionary first met it. Returns how many it has
// done: it stops where the dictionary would get more than half full. kGroupsOutside where an address leads outside the
// heap.
size_t NumberWords(const HeapWords& heap, WordArray array, const int32_t* positions, size_t count, PairNumbers* dictionary,
                   IntegerNumbers integers, int32_t* numbers);

// The same for pairs of numbers. `numbers` may be `lows`.
size_t NumberPairs(const int32_t* lows, const int32_t* highs, size_t count, PairNumbers* dictionary, int32_t* numbers);

enum class Gathering : int32_t { kCount, kSum, kMin, kMax, kPositions };

// Adds the numbers of an array at `count` positions, absent ones excepted, to what their groups have; kPositions counts
// these, whatever the words. Returns how many it has done: it stops before a word that is no number. kGroupsOutside,
// too, where there is no such group.
size_t GatherNumbers(const HeapWords& heap, WordArray array, const int32_t* positions, const int32_t* groups, size_t count,
                     Gathering gathering, double* counts, double* gathered, size_t group_count);

}  // namespace snapheap
