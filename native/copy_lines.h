#pragma once

#include <cstddef>
#include <cstdint>

namespace snapheap {

// Where the fields of lines stand: field f of line r is at [f * capacity + r] of both arrays; an end of -1 says NULL.
struct Fields {
  int32_t* starts;
  int32_t* ends;
  size_t per_line;
  size_t capacity;
};

struct SplitResult {
  size_t position;
  size_t lines;
};

// Splits CopyData messages that each hold one line in COPY's text format, from `position` of `bytes` on, into fields,
// those of the first line at number `first`. Escapes are resolved in place, as CopyTextParser of src/mirror/copy.ts
// does. Stops before the first message that is not whole or holds anything else, which is left untouched, and when
// `capacity` lines are there.
SplitResult SplitLines(uint8_t* bytes, size_t size, size_t position, const Fields& fields, size_t first);

}  // namespace snapheap
