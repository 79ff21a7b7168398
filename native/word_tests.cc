#include "word_tests.h"

#include <algorithm>
#include <cstring>

#include "tagged_words.h"
#include "wide_registers.h"
#include "word_hash.h"

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace snapheap {
namespace {

constexpr uint32_t kBlockWords = HeapWords::kBlockMask + 1;
constexpr size_t kMostOpen = 4096;  // tests at once: each has a byte for every word of a block
static_assert(kMinusZero == kZero + 1 && kZero % 2 == 0, "zeros differ in their lowest bit");

enum StepPart { kKind, kArray, kComparison, kTag, kLow, kHigh };

const uint32_t kNothing[kBlockWords * 2] = {};

ALWAYS_INLINE uint64_t WordAt(const uint32_t* words, size_t i) {
  uint64_t word;
  memcpy(&word, words + i * 2, sizeof word);
  return word;
}

ALWAYS_INLINE double DoubleAt(const uint32_t* words, size_t i) {
  double number;
  memcpy(&number, words + i * 2, sizeof number);
  return number;
}

uint64_t WordOf(const int32_t* halves) {
  return static_cast<uint32_t>(halves[0]) | static_cast<uint64_t>(static_cast<uint32_t>(halves[1])) << 32;
}

double DoubleOf(const int32_t* halves) {
  double number;
  memcpy(&number, halves, sizeof number);
  return number;
}

template <typename Value, typename Holds>
ALWAYS_INLINE bool MarkNumbers(const uint32_t* words, Value bound, uint8_t* marks, Holds holds) {
  uint64_t tagged = 0;
  for (size_t i = 0; i < kBlockWords; i++) {
    const double number = DoubleAt(words, i);
    // an absent word is zero, a stored zero is tagged
    marks[i] = holds(number, bound) & (number != 0);
    tagged |= number != number;
  }
  if (tagged == 0) return true;
  for (size_t i = 0; i < kBlockWords; i++) {
    const double number = DoubleAt(words, i);
    if (number == number) continue;
    if (words[i * 2 + 1] != kConstantHigh || (words[i * 2] & ~1u) != kZero) return false;
    marks[i] = holds(0.0, bound);
  }
  return true;
}

// Payloads are compared where they stand, in the upper 48 bits once the tag is shifted out.
template <typename Holds>
ALWAYS_INLINE bool MarkPayloads(const uint32_t* words, uint64_t tag, int64_t bound, uint8_t* marks, Holds holds) {
  uint64_t unusual = 0;
  for (size_t i = 0; i < kBlockWords; i++) {
    const uint64_t word = WordAt(words, i);
    const bool is_tagged = (word >> 48) == tag;
    marks[i] = is_tagged & holds(static_cast<int64_t>(word << 16), bound);
    unusual |= !is_tagged & (word != 0);
  }
  return unusual == 0;
}

template <typename Mark>
ALWAYS_INLINE bool Compared(int32_t comparison, Mark mark) {
  switch (static_cast<Comparison>(comparison)) {
    case Comparison::kLess:
      return mark([](auto a, auto b) { return a < b; });
    case Comparison::kLessOrEqual:
      return mark([](auto a, auto b) { return a <= b; });
    case Comparison::kGreater:
      return mark([](auto a, auto b) { return a > b; });
    default:
      return mark([](auto a, auto b) { return a >= b; });
  }
}

ALWAYS_INLINE bool MarkWords(const int32_t* step, const uint32_t* words, uint8_t* marks) {
  switch (static_cast<TestStep>(step[kKind])) {
    case TestStep::kIsWord: {
      const uint64_t wanted = WordOf(step + kLow);
      for (size_t i = 0; i < kBlockWords; i++) marks[i] = WordAt(words, i) == wanted;
      return true;
    }
    case TestStep::kCompareNumber: {
      const double bound = DoubleOf(step + kLow);
      return Compared(step[kComparison], [&](auto holds) { return MarkNumbers(words, bound, marks, holds); });
    }
    default: {
      const auto bound = static_cast<int64_t>(static_cast<uint64_t>(static_cast<int64_t>(DoubleOf(step + kLow))) << 16);
      const auto tag = static_cast<uint64_t>(step[kTag]);
      return Compared(step[kComparison], [&](auto holds) { return MarkPayloads(words, tag, bound, marks, holds); });
    }
  }
}

bool MarkPlainly(const int32_t* step, const uint32_t* words, uint8_t* marks) { return MarkWords(step, words, marks); }
WIDE bool MarkWidely(const int32_t* step, const uint32_t* words, uint8_t* marks) { return MarkWords(step, words, marks); }

const auto kMark = HasWideRegisters() ? MarkWidely : MarkPlainly;

// 64 marks as bits. Each byte is 0 or 1; the multiplication gathers eight of them in the highest byte.
uint64_t BitsOf(const uint8_t* marks) {
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++) {
    uint64_t eight;
    memcpy(&eight, marks + i * 8, sizeof eight);
    bits |= (eight * 0x0102040810204080u >> 56) << (i * 8);
  }
  return bits;
}

int CountBits(uint64_t bits) {
  bits -= bits >> 1 & 0x5555555555555555u;
  bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
  bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<int>(bits * 0x0101010101010101u >> 56);
}

int LowestBit(uint64_t bits) {
#if defined(_MSC_VER)
  unsigned long at;
  _BitScanForward64(&at, bits);
  return static_cast<int>(at);
#else
  return __builtin_ctzll(bits);
#endif
}

}  // namespace

WordSet::WordSet(const int32_t* words, size_t count) {
  size_t size = 4;
  while (size < count * 4) size *= 2;
  places_.assign(size, 0);
  for (size_t i = 0; i < count; i++) {
    const uint64_t word = WordOf(words + i * 2);
    if (word == 0) has_nothing_ = true;
    else places_[PlaceOf(word)] = word;
  }
}

// Where a word is, or would be.
size_t WordSet::PlaceOf(uint64_t word) const {
  const size_t mask = places_.size() - 1;
  size_t place = HashWord(static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32), 0) & mask;
  while (places_[place] != 0 && places_[place] != word) place = (place + 1) & mask;
  return place;
}

void WordSet::Mark(const uint32_t* words, uint8_t* marks) const {
  for (size_t i = 0; i < kBlockWords; i++) {
    const uint64_t word = WordAt(words, i);
    marks[i] = word == 0 ? has_nothing_ : places_[PlaceOf(word)] == word;
  }
}

bool WordTests::Parse(const int32_t* steps, size_t count, const int32_t* words, size_t word_count, const WordArray* arrays,
                      size_t array_count) {
  size_t depth = 0;
  size_t deepest = 0;
  for (size_t i = 0; i < count; i++) {
    const int32_t* step = steps + i * kStepHalves;
    const auto kind = static_cast<TestStep>(step[kKind]);
    if (kind == TestStep::kAnd || kind == TestStep::kOr) {
      if (depth < 2) return false;
      depth--;
    } else if (kind == TestStep::kNot) {
      if (depth < 1) return false;
    } else if (kind >= TestStep::kIsWord && kind <= TestStep::kComparePayload) {
      if (static_cast<uint32_t>(step[kArray]) >= array_count) return false;
      const uint64_t end = static_cast<uint64_t>(static_cast<uint32_t>(step[kLow])) + static_cast<uint32_t>(step[kHigh]);
      if (kind == TestStep::kIsOneOf && end > word_count) return false;
      const double bound = DoubleOf(step + kLow);
      if (kind == TestStep::kComparePayload && !(bound > -140737488355328.0 && bound < 140737488355328.0)) return false;
      if (++depth > kMostOpen) return false;
      deepest = std::max(deepest, depth);
    } else {
      return false;
    }
  }
  steps_ = steps;
  step_count_ = count;
  words_ = words;
  arrays_ = arrays;
  marks_.resize(deepest * kBlockWords);
  return depth == 1;
}

// The words of an array from a position on, a block's; null outside the heap.
const uint32_t* WordTests::BlockOf(const HeapWords& heap, const WordArray& array, uint32_t from) {
  if (from >= array.size) return kNothing;
  const uint32_t* words = heap.At(array.address + from);
  const uint32_t left = array.size - from;
  const uint32_t inside = kBlockWords - (array.address + from) % kBlockWords;
  if (words == nullptr || left >= kBlockWords) return inside == kBlockWords ? words : nullptr;
  if (left > inside) return nullptr;
  few_.assign(kBlockWords * 2, 0);
  memcpy(few_.data(), words, size_t{left} * 8);
  return few_.data();
}

// Leaves what a block's positions pass in the first marks.
int64_t WordTests::MarkBlock(const HeapWords& heap, uint32_t from, const std::vector<WordSet>& sets) {
  uint8_t* top = marks_.data();
  size_t set = 0;
  for (size_t i = 0; i < step_count_; i++) {
    const int32_t* step = steps_ + i * kStepHalves;
    uint8_t* below = top - kBlockWords;
    switch (static_cast<TestStep>(step[kKind])) {
      case TestStep::kAnd:
      case TestStep::kOr: {
        const bool is_and = static_cast<TestStep>(step[kKind]) == TestStep::kAnd;
        uint8_t* lower = below - kBlockWords;
        for (size_t k = 0; k < kBlockWords; k++) lower[k] = is_and ? lower[k] & below[k] : lower[k] | below[k];
        top = below;
        break;
      }
      case TestStep::kNot:
        for (size_t k = 0; k < kBlockWords; k++) below[k] ^= 1;
        break;
      default: {
        const uint32_t* words = BlockOf(heap, arrays_[step[kArray]], from);
        if (words == nullptr) return kOutside;
        if (static_cast<TestStep>(step[kKind]) == TestStep::kIsOneOf) sets[set++].Mark(words, top);
        else if (!kMark(step, words, top)) return kUnusual;
        top += kBlockWords;
      }
    }
  }
  return 0;
}

int64_t WordTests::Scan(const HeapWords& heap, uint32_t bits, uint32_t from, uint32_t to, int32_t* found) {
  std::vector<WordSet> sets;
  for (size_t i = 0; i < step_count_; i++) {
    const int32_t* step = steps_ + i * kStepHalves;
    if (static_cast<TestStep>(step[kKind]) != TestStep::kIsOneOf) continue;
    sets.emplace_back(words_ + size_t{static_cast<uint32_t>(step[kLow])} * 2, static_cast<uint32_t>(step[kHigh]));
  }
  int64_t count = 0;
  for (uint32_t block = from; block < to; block += kBlockWords) {
    const int64_t fault = MarkBlock(heap, block, sets);
    if (fault != 0) return fault;
    for (uint32_t at = block; at < to && at < block + kBlockWords; at += 64) {
      const uint32_t* set = bits == 0 ? kNothing : heap.At(bits + at / 64);
      if (set == nullptr) return kOutside;
      uint64_t passing = BitsOf(marks_.data() + (at - block)) & WordAt(set, 0);
      if (to - at < 64) passing &= (uint64_t{1} << (to - at)) - 1;
      if (found == nullptr) {
        count += CountBits(passing);
        continue;
      }
      for (; passing != 0; passing &= passing - 1) found[count++] = static_cast<int32_t>(at) + LowestBit(passing);
    }
  }
  return count;
}

}  // namespace snapheap
