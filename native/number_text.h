#pragma once

#include <cstddef>
#include <cstdint>

namespace snapheap {

// Turns numbers in decimal digits, `bytes[starts[i], ends[i])` (absent where ends[i] is -1), into words, 2 halves each.
// Returns how many: it stops before the first that it leaves to src/mirror/fields.ts, such as one of more than 15
// digits, which a double need not hold exactly, or whose bytes lie elsewhere.
size_t ParseNumbers(const uint8_t* bytes, size_t size, const int32_t* starts, const int32_t* ends, size_t count,
                    bool is_integer, uint32_t* words);

}  // namespace snapheap
