#pragma once

#include <cstdint>

// What src/value/word.ts says of words that are no plain numbers.
namespace snapheap {

constexpr uint32_t kConstantHigh = 0x7ff10000;
// Low halves of constants.
constexpr uint32_t kZero = 4;
constexpr uint32_t kMinusZero = 5;
constexpr uint32_t kEmptyString = 6;

constexpr uint32_t kNanHigh = 0x7ff80000;
constexpr uint32_t kStringHigh = 0xfff10000;
// Of a string of so many bytes within its word: this and their number.
constexpr uint32_t kInlineTag = 0x7ff1;
constexpr uint32_t kInlineBytes = 6;

}  // namespace snapheap
