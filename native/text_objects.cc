#include "text_objects.h"

#include <algorithm>
#include <cstring>

#include "tagged_words.h"

namespace snapheap {
namespace {

constexpr uint32_t kWordBytes = 8;

// The bytes of a group's first string; false when they are not there.
bool TextOf(const Texts& texts, const uint32_t* group, const uint8_t** bytes, uint32_t* size) {
  const size_t i = group[kFirst];
  if (i >= texts.first + texts.count) return false;
  const int32_t start = texts.starts[i];
  const int32_t end = texts.ends[i];
  if (start < 0 || end < start || static_cast<size_t>(end) > texts.bytes_size) return false;
  *bytes = texts.bytes + start;
  *size = static_cast<uint32_t>(end - start);
  return true;
}

// Words of an object: its head and its contents.
uint32_t ObjectWords(uint32_t size) { return 1 + (size + kWordBytes - 1) / kWordBytes; }

}  // namespace

int64_t OrderTexts(const Texts& texts, const TextGroups& groups, size_t count, uint32_t most_words, uint32_t* ordered,
                   uint32_t* ends) {
  const uint8_t* bytes = nullptr;
  uint32_t size = 0;
  std::fill(ends, ends + most_words + 2, 0u);
  for (size_t g = 0; g < count; g++) {
    const uint32_t* group = groups.halves + g * kGroupHalves;
    if (group[kAddress] != 0) continue;
    if (!TextOf(texts, group, &bytes, &size)) return kOutside;
    ends[std::min(ObjectWords(size), most_words + 1)]++;
  }
  uint32_t missing = 0;
  for (uint32_t words = 0; words < most_words + 2; words++) {
    const uint32_t alike = ends[words];
    ends[words] = missing;
    missing += alike;
  }
  for (size_t g = 0; g < count; g++) {
    const uint32_t* group = groups.halves + g * kGroupHalves;
    if (group[kAddress] != 0) continue;
    TextOf(texts, group, &bytes, &size);
    ordered[ends[std::min(ObjectWords(size), most_words + 1)]++] = static_cast<uint32_t>(g);
  }
  return missing;
}

bool LayTexts(const Texts& texts, const TextGroups& groups, const uint32_t* ordered, size_t count, const uint32_t* addresses,
              uint32_t step, uint32_t* objects) {
  for (size_t i = 0; i < count; i++) {
    if (ordered[i] >= groups.size) return false;
    uint32_t* group = groups.halves + ordered[i] * kGroupHalves;
    uint32_t* object = objects + i * step * 2;
    const uint8_t* bytes = nullptr;
    uint32_t size = 0;
    if (!TextOf(texts, group, &bytes, &size) || ObjectWords(size) > step) return false;
    object[0] = size;
    object[1] = group[kStrings];
    memset(object + 2, 0, (step - 1) * kWordBytes);
    memcpy(object + 2, bytes, size);
    group[kAddress] = addresses[i];
  }
  return true;
}

bool SettleTexts(const TextGroups& groups, uint32_t* words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t* word = words + i * 2;
    if (word[1] != kStringHigh) continue;
    if (word[0] >= groups.size) return false;
    word[0] = groups.halves[word[0] * kGroupHalves + kAddress];
  }
  return true;
}

}  // namespace snapheap
