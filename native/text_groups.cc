#include "text_groups.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "group_slots.h"
#include "hash_places.h"
#include "prefetch.h"
#include "tagged_words.h"
#include "word_hash.h"

namespace snapheap {
namespace {

// src/struct/hash-table.ts
constexpr uint32_t kOccupied = 0x80000000;
constexpr uint32_t kFlag = 0x40000000;

class Grouper {
 public:
  Grouper(uint32_t seed, const Texts& texts, uint32_t* words, uint32_t* groups)
      : seed_(seed), texts_(texts), words_(words), groups_(groups) {}

  // Gives every string its word or group.
  int64_t Run() {
    slots_.Reset(texts_.count);
    for (size_t k = 0; k < texts_.count; k++) {
      const size_t i = texts_.first + k;
      uint32_t* word = words_ + k * 2;
      const int32_t start = texts_.starts[i];
      const int32_t end = texts_.ends[i];
      if (end == -1) {
        word[0] = word[1] = 0;
        continue;
      }
      if (start < 0 || end < start || static_cast<size_t>(end) > texts_.bytes_size) return kOutside;
      const uint32_t size = Size(i);
      if (size <= kInlineBytes) {
        LayInline(Bytes(i), size, word);
      } else {
        word[0] = GroupOf(i, size);
        word[1] = kStringHigh;
      }
    }
    return static_cast<int64_t>(made_);
  }

 private:
  const uint8_t* Bytes(size_t i) const { return texts_.bytes + texts_.starts[i]; }
  uint32_t Size(size_t i) const { return static_cast<uint32_t>(texts_.ends[i] - texts_.starts[i]); }

  static void LayInline(const uint8_t* bytes, uint32_t size, uint32_t* word) {
    if (size == 0) {
      word[0] = kEmptyString;
      word[1] = kConstantHigh;
      return;
    }
    uint64_t payload = 0;
    for (uint32_t i = 0; i < size; i++) payload |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    word[0] = static_cast<uint32_t>(payload);
    word[1] = ((kInlineTag + size) << 16) | static_cast<uint32_t>(payload >> 32);
  }

  uint32_t GroupOf(size_t i, uint32_t size) {
    const uint32_t hash = HashContents(Bytes(i), size, seed_);
    uint32_t& slot = slots_.Of(hash, [&](uint32_t g) {
      const uint32_t* group = groups_ + size_t{g} * kGroupHalves;
      return group[kHash] == hash && Size(group[kFirst]) == size && memcmp(Bytes(group[kFirst]), Bytes(i), size) == 0;
    });
    if (slot == 0) {
      uint32_t* group = groups_ + made_ * kGroupHalves;
      group[kFirst] = static_cast<uint32_t>(i);
      group[kHash] = hash;
      group[kStrings] = 0;
      group[kAddress] = 0;
      slot = static_cast<uint32_t>(++made_);
    }
    groups_[(slot - 1) * size_t{kGroupHalves} + kStrings]++;
    return slot - 1;
  }

  const uint32_t seed_;
  const Texts& texts_;
  uint32_t* const words_;
  uint32_t* const groups_;
  size_t made_ = 0;
  GroupSlots slots_;
};

// Where the look-up of one group has come to.
struct Search {
  HashPlace at;
  uint32_t steps;
};

class Finder {
 public:
  Finder(const HeapWords& heap, const Texts& texts, uint32_t* groups, size_t count)
      : heap_(heap), texts_(texts), groups_(groups), count_(count), searches_(count) {}

  // Each step begins for all what the next step needs.
  bool Run(uint32_t table) {
    const uint32_t* descriptor = heap_.At(table);
    if (descriptor == nullptr || descriptor[1] > kHashBits) return false;
    for (size_t g = 0; g < count_; g++) {
      if (!Begin(descriptor, groups_[g * kGroupHalves + kHash], &searches_[g])) return false;
    }
    for (size_t g = 0; g < count_; g++) {
      if (!Scan(g)) return false;
      const uint32_t* object = heap_.At(groups_[g * kGroupHalves + kAddress]);
      if (object != nullptr) Prefetch(object);
    }
    for (size_t g = 0; g < count_; g++) {
      uint32_t* group = groups_ + g * kGroupHalves;
      while (group[kAddress] != 0) {
        bool is_equal = false;
        if (!IsObject(group[kAddress], group[kFirst], &is_equal)) return false;
        if (is_equal) break;
        searches_[g].at.slot = Next(searches_[g].at);
        searches_[g].steps++;
        if (!Scan(g)) return false;
      }
    }
    return true;
  }

 private:
  bool Begin(const uint32_t* descriptor, uint32_t hash, Search* search) {
    if (!FindPlace(heap_, descriptor, hash, &search->at)) return false;
    search->steps = 0;
    const uint32_t* slot = heap_.At(search->at.segment + search->at.slot);
    if (slot == nullptr) return false;
    Prefetch(slot);
    return true;
  }

  static uint32_t Next(const HashPlace& at) { return at.slot == at.mask ? 1 : at.slot + 1; }

  // Leaves the payload of the next entry with the group's hash as its address, 0 when there is none.
  bool Scan(size_t g) {
    uint32_t* group = groups_ + g * kGroupHalves;
    HashPlace& at = searches_[g].at;
    uint32_t& steps = searches_[g].steps;
    for (; steps <= at.mask; steps++, at.slot = Next(at)) {
      const uint32_t* slot = heap_.At(at.segment + at.slot);
      if (slot == nullptr) return false;
      if (slot[1] != 0 && (slot[1] & ~kFlag) != (group[kHash] | kOccupied)) continue;
      group[kAddress] = slot[1] == 0 ? 0 : slot[0];
      return true;
    }
    return false;
  }

  // Whether the object at an address has the contents of string i. False when it leaves the heap.
  bool IsObject(uint32_t address, size_t i, bool* is_equal) const {
    const uint32_t* object = heap_.At(address);
    if (object == nullptr) return false;
    if (i >= texts_.first + texts_.count) return false;
    const int32_t start = texts_.starts[i];
    const int32_t end = texts_.ends[i];
    if (start < 0 || end < start || static_cast<size_t>(end) > texts_.bytes_size) return false;
    const auto size = static_cast<uint32_t>(end - start);
    *is_equal = object[0] == size;
    const uint8_t* bytes = texts_.bytes + start;
    uint32_t rest = size;
    for (uint32_t at = address + 1; *is_equal && rest > 0;) {
      const uint32_t* contents = heap_.At(at);
      if (contents == nullptr) return false;
      const uint32_t words = HeapWords::kBlockMask + 1 - (at & HeapWords::kBlockMask);
      const uint32_t here = std::min(rest, words * 8);
      *is_equal = memcmp(contents, bytes, here) == 0;
      bytes += here;
      rest -= here;
      at += words;
    }
    return true;
  }

  const HeapWords& heap_;
  const Texts& texts_;
  uint32_t* const groups_;
  const size_t count_;
  std::vector<Search> searches_;
};

}  // namespace

int64_t GroupTexts(uint32_t seed, const Texts& texts, uint32_t* words, uint32_t* groups) {
  return Grouper(seed, texts, words, groups).Run();
}

bool FindTexts(const HeapWords& heap, uint32_t table, const Texts& texts, uint32_t* groups, size_t count) {
  return Finder(heap, texts, groups, count).Run(table);
}

}  // namespace snapheap
