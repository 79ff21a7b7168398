#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "heap_words.h"

namespace snapheap {

// A flat array of words in the heap. Behind its end every word is absent.
struct WordArray {
  uint32_t address;
  uint32_t size;
};

// What src/query/scan-program.ts asks of the words at one position of several arrays: tests and what joins them, in
// postfix order. A step is kStepHalves halves: what it does, the array that it is about, then what the names below say.
constexpr size_t kStepHalves = 6;

enum class TestStep : int32_t {
  kIsWord,          // -, -, low, high
  kIsOneOf,         // -, -, first and number of words among `words`
  kCompareNumber,   // comparison, -, low and high half of a double
  kComparePayload,  // comparison, tag, low and high half of a double that is a whole number of less than 48 bits
  kAnd,
  kOr,
  kNot,
};

enum class Comparison : int32_t { kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

// Words that are sought among, in a table that is made once for many blocks.
class WordSet {
 public:
  // The words are two halves each.
  WordSet(const int32_t* words, size_t count);

  // Marks those of a block's words that are in it.
  void Mark(const uint32_t* words, uint8_t* marks) const;

 private:
  size_t PlaceOf(uint64_t word) const;

  std::vector<uint64_t> places_;  // open addressing; 0 where there is none
  bool has_nothing_ = false;      // the absent word
};

class WordTests {
 public:
  // False where the steps do not fit together, or name an array or words that there are not. Nothing is copied.
  bool Parse(const int32_t* steps, size_t count, const int32_t* words, size_t word_count, const WordArray* arrays,
             size_t array_count);

  // The positions from `from`, a multiple of a block's words, to before `to` that pass and whose bit is set in the
  // array of bits at `bits` (0: in none), ascending, into `found`, which may be null. Returns how many; kUnusual where
  // a word has to be looked at by somebody who knows what it means, kOutside where an address leads outside the heap.
  int64_t Scan(const HeapWords& heap, uint32_t bits, uint32_t from, uint32_t to, int32_t* found);

  static constexpr int64_t kUnusual = -1;
  static constexpr int64_t kOutside = -2;

 private:
  int64_t MarkBlock(const HeapWords& heap, uint32_t from, const std::vector<WordSet>& sets);
  const uint32_t* BlockOf(const HeapWords& heap, const WordArray& array, uint32_t from);

  const int32_t* steps_ = nullptr;
  size_t step_count_ = 0;
  const int32_t* words_ = nullptr;
  const WordArray* arrays_ = nullptr;
  std::vector<uint8_t> marks_;  // a block's of 0 and 1 for each test that is open
  std::vector<uint32_t> few_;   // the words of an array of less than a block, and zeros
};

}  // namespace snapheap
