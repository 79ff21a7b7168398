#include "word_groups.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "prefetch.h"
#include "tagged_words.h"
#include "wide_registers.h"
#include "word_hash.h"

namespace snapheap {
namespace {

constexpr uint32_t kNothing[2] = {};

// Reads words of one array at positions, which mostly lie in the same block as the one before.
class Reader {
 public:
  Reader(const HeapWords& heap, WordArray array) : heap_(heap), array_(array) {}

  // Null outside the heap.
  const uint32_t* At(uint32_t position) {
    if (position >= array_.size) return kNothing;
    const uint32_t address = array_.address + position;
    const uint32_t block = address >> HeapWords::kBlockShift;
    if (block != block_ || words_ == nullptr) {
      block_ = block;
      words_ = heap_.At(address & ~HeapWords::kBlockMask);
      if (words_ == nullptr) return nullptr;
    }
    return words_ + (address & HeapWords::kBlockMask) * 2;
  }

 private:
  const HeapWords& heap_;
  const WordArray array_;
  uint32_t block_ = 0;
  const uint32_t* words_ = nullptr;
};

// Pairs whose places are sought together, so that the waits for memory overlap.
constexpr size_t kAtOnce = 128;

struct Pairs {
  uint32_t lows[kAtOnce];
  uint32_t highs[kAtOnce];
};

ALWAYS_INLINE void Hash(const Pairs& pairs, uint32_t mask, uint32_t* places) {
  for (size_t i = 0; i < kAtOnce; i++) {
    places[i] = FinishHash(MixHash(MixHash(0, pairs.lows[i]), pairs.highs[i]), 2) & mask;
  }
}

void HashPlainly(const Pairs& pairs, uint32_t mask, uint32_t* places) { Hash(pairs, mask, places); }
WIDE void HashWidely(const Pairs& pairs, uint32_t mask, uint32_t* places) { Hash(pairs, mask, places); }

const auto kHash = HasWideRegisters() ? HashWidely : HashPlainly;

// Numbers pairs, at most kAtOnce. Returns how many: it stops at a new one that there is no room for, and where no place
// is free, which no dictionary lets come.
size_t Number(const Pairs& pairs, size_t count, PairNumbers* dictionary, int32_t* numbers) {
  const size_t mask = dictionary->mask;
  int32_t* const places = dictionary->places;
  uint32_t first[kAtOnce];
  kHash(pairs, static_cast<uint32_t>(mask), first);
  for (size_t i = 0; i < count; i++) Prefetch(places + first[i] * kPlaceHalves);
  for (size_t i = 0; i < count; i++) {
    const auto low = static_cast<int32_t>(pairs.lows[i]);
    const auto high = static_cast<int32_t>(pairs.highs[i]);
    int32_t* at = places + first[i] * kPlaceHalves;
    for (size_t steps = 0; at[2] != 0 && !(at[0] == low && at[1] == high); steps++) {
      if (steps == mask) return i;
      at = places + ((static_cast<size_t>(at - places) / kPlaceHalves + 1) & mask) * kPlaceHalves;
    }
    if (at[2] == 0) {
      if ((size_t{dictionary->size} + 1) * 2 > mask) return i;
      at[0] = low;
      at[1] = high;
      at[2] = static_cast<int32_t>(++dictionary->size);
    }
    numbers[i] = static_cast<int32_t>(static_cast<uint32_t>(at[2]) - 1);
  }
  return count;
}

// The number that a tagged word is. False where it is none.
bool TaggedNumber(const uint32_t* word, double* number) {
  if (word[1] == kConstantHigh && word[0] == kZero) *number = 0.0;
  else if (word[1] == kConstantHigh && word[0] == kMinusZero) *number = -0.0;
  else if (word[1] == kNanHigh && word[0] == 0) *number = std::numeric_limits<double>::quiet_NaN();
  else return false;
  return true;
}

// src/value/value-order.ts: NaN is the greatest number.
inline bool IsBelow(double a, double b) { return a < b || (b != b && a == a); }

template <typename Add>
size_t ForEach(const HeapWords& heap, WordArray array, const int32_t* positions, const int32_t* groups, size_t count,
               double* counts, size_t group_count, Add add) {
  Reader reader(heap, array);
  for (size_t i = 0; i < count; i++) {
    const uint32_t* const word = reader.At(static_cast<uint32_t>(positions[i]));
    const auto group = static_cast<uint32_t>(groups[i]);
    if (word == nullptr || group >= group_count) return kGroupsOutside;
    double number;
    memcpy(&number, word, sizeof number);
    if (number == 0) continue;  // absent: a stored zero is tagged
    if (number != number && !TaggedNumber(word, &number)) return i;
    add(group, number);
    counts[group]++;
  }
  return count;
}

}  // namespace

size_t NumberWords(const HeapWords& heap, WordArray array, const int32_t* positions, size_t count, PairNumbers* dictionary,
                   IntegerNumbers integers, int32_t* numbers) {
  Reader reader(heap, array);
  Pairs pairs = {};         // those that `integers` does not know
  size_t places[kAtOnce];   // where they belong
  size_t keys[kAtOnce];     // where `integers` is to have them; its size for none
  int32_t found[kAtOnce];
  const auto limit = static_cast<double>(integers.size);
  for (size_t done = 0; done < count; done += kAtOnce) {
    const size_t some = std::min(kAtOnce, count - done);
    size_t unknown = 0;
    for (size_t i = 0; i < some; i++) {
      const uint32_t* const word = reader.At(static_cast<uint32_t>(positions[done + i]));
      if (word == nullptr) return kGroupsOutside;
      double number;
      memcpy(&number, word, sizeof number);
      size_t key = integers.size;
      if (number >= 1 && number < limit) {
        key = static_cast<uint32_t>(number);
        if (static_cast<double>(key) != number) key = integers.size;
        else if (integers.numbers[key] != 0) {
          numbers[done + i] = integers.numbers[key] - 1;
          continue;
        }
      }
      pairs.lows[unknown] = word[0];
      pairs.highs[unknown] = word[1];
      places[unknown] = done + i;
      keys[unknown++] = key;
    }
    if (unknown == 0) continue;
    const size_t numbered = Number(pairs, unknown, dictionary, found);
    for (size_t i = 0; i < numbered; i++) {
      numbers[places[i]] = found[i];
      if (keys[i] < integers.size) integers.numbers[keys[i]] = found[i] + 1;
    }
    if (numbered < unknown) return places[numbered];
  }
  return count;
}

size_t NumberPairs(const int32_t* lows, const int32_t* highs, size_t count, PairNumbers* dictionary, int32_t* numbers) {
  Pairs pairs = {};
  for (size_t done = 0; done < count; done += kAtOnce) {
    const size_t some = std::min(kAtOnce, count - done);
    memcpy(pairs.lows, lows + done, some * sizeof(int32_t));
    memcpy(pairs.highs, highs + done, some * sizeof(int32_t));
    const size_t numbered = Number(pairs, some, dictionary, numbers + done);
    if (numbered < some) return done + numbered;
  }
  return count;
}

size_t GatherNumbers(const HeapWords& heap, WordArray array, const int32_t* positions, const int32_t* groups, size_t count,
                     Gathering gathering, double* counts, double* gathered, size_t group_count) {
  const auto for_each = [&](auto add) {
    return ForEach(heap, array, positions, groups, count, counts, group_count, add);
  };
  switch (gathering) {
    case Gathering::kPositions:
      for (size_t i = 0; i < count; i++) {
        if (static_cast<uint32_t>(groups[i]) >= group_count) return kGroupsOutside;
        counts[groups[i]]++;
      }
      return count;
    case Gathering::kCount:
      return for_each([](uint32_t, double) {});
    case Gathering::kSum:
      return for_each([&](uint32_t group, double number) { gathered[group] += number; });
    case Gathering::kMin:
      return for_each([&](uint32_t group, double number) {
        if (counts[group] == 0 || IsBelow(number, gathered[group])) gathered[group] = number;
      });
    default:
      return for_each([&](uint32_t group, double number) {
        if (counts[group] == 0 || IsBelow(gathered[group], number)) gathered[group] = number;
      });
  }
}

}  // namespace snapheap
