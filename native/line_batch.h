#pragma once

#include <cstddef>
#include <cstdint>

#include "copy_lines.h"

namespace snapheap {

// What a field becomes here: nothing, the word of a number or of an integer, or a string's word or group.
enum FieldKind : uint8_t { kOtherField, kNumberField, kIntegerField, kTextField };

// Where the words of lines go: field f of line r at [(f * capacity + r) * 2] of `words`; the groups of the t-th field
// of text from [t * capacity * kGroupHalves] of `groups` on; of field f, how many numbers are done or groups there are,
// at [f] of `counts`.
struct LineWords {
  const uint8_t* kinds;
  uint32_t* words;
  uint32_t* groups;
  int32_t* counts;
};

// What needs nothing but the bytes of messages with lines: splits them as `SplitLines` does, parses numbers and groups
// strings.
SplitResult PrepareLines(uint8_t* bytes, size_t size, size_t position, const Fields& fields, uint32_t seed, const LineWords& out);

}  // namespace snapheap
