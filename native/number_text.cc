#include "number_text.h"

#include <cstring>

#include "tagged_words.h"

namespace snapheap {
namespace {

constexpr int kExactDigits = 15;
constexpr double kPowersOfTen[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// At most 15 digits and a small power of ten: one correctly rounded division gives the nearest double (W. D. Clinger,
// "How to Read Floating Point Numbers Accurately", 1990).
bool ParseNumber(const uint8_t* text, const uint8_t* end, bool is_integer, double* value) {
  const bool is_negative = text < end && *text == '-';
  if (is_negative) text++;
  int64_t mantissa = 0;
  int digits = 0;
  int places = -1;  // digits behind the point, -1 before it
  for (; text < end; text++) {
    if (*text == '.' && places < 0 && !is_integer) {
      places = 0;
      continue;
    }
    const uint32_t digit = static_cast<uint32_t>(*text) - '0';
    if (digit > 9 || ++digits > kExactDigits) return false;
    mantissa = mantissa * 10 + digit;
    if (places >= 0) places++;
  }
  if (digits == 0) return false;
  *value = static_cast<double>(mantissa);
  if (places > 0) *value /= kPowersOfTen[places];
  if (is_negative) *value = -*value;
  return true;
}

}  // namespace

size_t ParseNumbers(const uint8_t* bytes, size_t size, const int32_t* starts, const int32_t* ends, size_t count,
                    bool is_integer, uint32_t* words) {
  for (size_t i = 0; i < count; i++) {
    uint32_t* word = words + i * 2;
    if (ends[i] == -1) {
      word[0] = word[1] = 0;
      continue;
    }
    if (starts[i] < 0 || ends[i] < starts[i] || static_cast<size_t>(ends[i]) > size) return i;
    double value = 0;
    if (!ParseNumber(bytes + starts[i], bytes + ends[i], is_integer, &value)) return i;
    if (value == 0) {
      word[0] = bytes[starts[i]] == '-' ? kMinusZero : kZero;
      word[1] = kConstantHigh;
    } else {
      memcpy(word, &value, sizeof(value));
    }
  }
  return count;
}

}  // namespace snapheap
