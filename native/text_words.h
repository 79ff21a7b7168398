#pragma once

#include <cstdint>

namespace snapheap {

// src/value/word.ts and texts.ts
constexpr uint32_t kConstantHigh = 0x7ff10000;
constexpr uint32_t kEmptyString = 6;
constexpr uint32_t kInlineTag = 0x7ff1;
constexpr uint32_t kStringHigh = 0xfff10000;
constexpr uint32_t kInlineBytes = 6;

// Halves of a group of equal strings.
enum Group { kFirst, kHash, kStrings, kAddress };

}  // namespace snapheap
