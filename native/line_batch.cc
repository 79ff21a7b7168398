#include "line_batch.h"

#include "number_text.h"
#include "text_groups.h"

namespace snapheap {

SplitResult PrepareLines(uint8_t* bytes, size_t size, size_t position, const Fields& fields, uint32_t seed, const LineWords& out) {
  const SplitResult split = SplitLines(bytes, size, position, fields, 0);
  size_t texts_before = 0;
  for (size_t field = 0; field < fields.per_line; field++) {
    const size_t first = field * fields.capacity;
    uint32_t* words = out.words + first * 2;
    const uint8_t kind = out.kinds[field];
    if (kind == kTextField) {
      uint32_t* groups = out.groups + texts_before++ * fields.capacity * kGroupHalves;
      const Texts texts = {bytes, size, fields.starts, fields.ends, first, split.lines};
      out.counts[field] = static_cast<int32_t>(GroupTexts(seed, texts, words, groups));
    } else if (kind == kOtherField) {
      out.counts[field] = 0;
    } else {
      out.counts[field] = static_cast<int32_t>(ParseNumbers(bytes, size, fields.starts + first, fields.ends + first, split.lines,
                                                            kind == kIntegerField, words));
    }
  }
  return split;
}

}  // namespace snapheap
