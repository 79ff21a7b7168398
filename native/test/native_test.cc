// Exercises everything but the N-API boundary, without Node, to be run under AddressSanitizer and UBSan.
// Usage: native_test FOLDER, an empty folder that belongs to the test. Exits 0 and prints one line when all holds.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../block_copy.h"
#include "../bytes.h"
#include "../copy_lines.h"
#include "../crc32c.h"
#include "../file_lock.h"
#include "../file_name.h"
#include "../file_write.h"
#include "../folder_sync.h"
#include "../hash_places.h"
#include "../heap_words.h"
#include "../index_sort.h"
#include "../line_batch.h"
#include "../mapping.h"
#include "../mapping_registry.h"
#include "../number_text.h"
#include "../processor.h"
#include "../text_groups.h"
#include "../word_groups.h"
#include "../word_hash.h"
#include "../word_records.h"
#include "../word_tests.h"

using namespace snapheap;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                    \
    }                                                                             \
  } while (false)

namespace {

constexpr size_t kPage = 65536;  // a multiple of every page size in use
constexpr size_t kWindow = size_t{1} << 31;

// The definition, one bit at a time.
uint32_t Crc32cByBits(const std::vector<uint8_t>& bytes, size_t from, uint32_t seed) {
  uint32_t crc = ~seed;
  for (size_t at = from; at < bytes.size(); at++) {
    crc ^= bytes[at];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

void TestChecksums() {
  const std::vector<uint8_t> zeros(32, 0);
  CHECK(Crc32c(zeros.data(), zeros.size(), 0) == 0x8a9136aa);
  CHECK(Crc32c(nullptr, 0, 0) == 0 && Crc32cSoftware(nullptr, 0, 77) == 77);
  std::mt19937 random(20);
  // Around the lane length (1360), and exactly sized, so that a read behind the end is caught.
  for (const size_t size : {1, 7, 8, 9, 4079, 4080, 4081, 4096, 8167, 32768, 40001}) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    for (size_t from = 0; from < 9 && from <= size; from++) {
      const uint32_t seed = random();
      const uint32_t expected = Crc32cByBits(bytes, from, seed);
      CHECK(Crc32c(bytes.data() + from, size - from, seed) == expected);
      CHECK(Crc32cSoftware(bytes.data() + from, size - from, seed) == expected);
    }
  }
}

void TestProcessor() {
#ifdef __x86_64__
  CHECK(HasAvx2() == (__builtin_cpu_supports("avx2") != 0));
  CHECK(HasCrcInstruction() == (__builtin_cpu_supports("sse4.2") != 0));
#else
  CHECK(!HasAvx2());
#endif
}

void TestFileWindow(const std::string& folder) {
  const std::string path = folder + "/window";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0644);
  CHECK(fd >= 0);
  std::vector<uint8_t> page(kPage, 1);
  CHECK(pwrite(fd, page.data(), kPage, 0) == static_cast<ssize_t>(kPage));

  Mapping window;
  CHECK(!window.MapFile(fd, 0, kWindow));
  CHECK(window.is_file() && window.size() == kWindow && window.data()[kPage - 1] == 1);
  memset(page.data(), 2, kPage);
  CHECK(pwrite(fd, page.data(), kPage, kPage) == static_cast<ssize_t>(kPage));
  CHECK(!window.Sync(fd, kPage, kPage, kPage));
  CHECK(window.data()[kPage] == 2);

  Residency residency;
  CHECK(!window.CountResident(0, 2 * kPage, &residency));
  CHECK(residency.pages == 2 * kPage / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  CHECK(residency.resident_pages == residency.pages);
  CHECK(!window.CountResident(1, 0, &residency) && residency.pages == 0);
  CHECK(!window.CountResident(0, kWindow, &residency));
  for (uint32_t advice = 0; advice < kAdviceCount; advice++) {
    CHECK(!window.Advise(3, 2 * kPage - 5, static_cast<Advice>(advice)));
  }
  CHECK(window.data()[0] == 1 && window.data()[kPage] == 2);

  Mapping second;
  CHECK(!second.MapFile(fd, kPage, kPage) && second.data()[0] == 2);
  Mapping failed;
  CHECK(failed.MapFile(fd, 1, kPage));
  CHECK(failed.MapFile(-1, 0, kPage) && failed.data() == nullptr);
  close(fd);
  CHECK(window.data()[0] == 1);
  window.Unmap();
  window.Unmap();
  CHECK(window.data() == nullptr && window.size() == 0);
}

void TestAnonymous() {
  std::vector<Mapping> windows(3);
  for (Mapping& window : windows) {
    CHECK(!window.Allocate(kWindow));
    CHECK(!window.is_file() && window.data()[0] == 0 && window.data()[kWindow - 1] == 0);
    window.data()[kWindow - 1] = 9;
  }
  Mapping& window = windows[1];
  memset(window.data(), 7, 3 * kPage);
  CHECK(!window.Advise(kPage, kPage, Advice::kDontNeed));
  CHECK(window.data()[kPage - 1] == 7 && window.data()[kPage] == 0 && window.data()[2 * kPage - 1] == 0);
  CHECK(window.data()[2 * kPage] == 7);
  CHECK(!window.Advise(5, 10, Advice::kDontNeed));  // part of a page
  CHECK(window.data()[4] == 7 && window.data()[5] == 0 && window.data()[14] == 0 && window.data()[15] == 7);
  Residency residency;
  CHECK(!window.CountResident(kWindow / 2, kWindow / 4, &residency) && residency.resident_pages == 0);
}

void TestRegistry() {
  Mapping mapping;
  CHECK(!mapping.Allocate(kPage));
  MappingRegistry::Add(&mapping);
  CHECK(MappingRegistry::Find(mapping.data()) == &mapping);
  CHECK(MappingRegistry::Find(mapping.data() + 1) == nullptr && MappingRegistry::Find(nullptr) == nullptr);
  MappingRegistry::Remove(&mapping);
  MappingRegistry::Remove(&mapping);
  CHECK(MappingRegistry::Find(mapping.data()) == nullptr);
  Mapping never_mapped;
  MappingRegistry::Remove(&never_mapped);
}

void TestLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  const int one = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  const int other = open(path.c_str(), O_RDWR);
  CHECK(!snapheap::LockOpenFile(one) && !snapheap::LockOpenFile(one));
  CHECK(snapheap::LockOpenFile(other) == std::errc::resource_unavailable_try_again);
  close(one);
  CHECK(!snapheap::LockOpenFile(other));
  close(other);
  CHECK(snapheap::LockOpenFile(other) == std::errc::bad_file_descriptor);
}

void TestName(const std::string& folder) {
  const std::string path = folder + "/named";
  const std::string other = folder + "/other";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  CHECK(write(fd, "ab", 2) == 2);
  const FileName name(path, fd);
  const FileName other_name(other, fd);
  CHECK(name.IsInPlace(0) && name.IsInPlace(2) && !name.IsInPlace(3) && !other_name.IsInPlace(0));
  CHECK(rename(path.c_str(), other.c_str()) == 0 && !name.IsInPlace(0) && other_name.IsInPlace(0));
  close(open(path.c_str(), O_RDWR | O_CREAT, 0600));
  CHECK(!name.IsInPlace(0) && !FileName(folder + "/no/file", fd).IsInPlace(0) && !FileName(other, -1).IsInPlace(0));
  close(fd);
}

void TestCopy() {
  std::vector<uint8_t> target(10, 0);
  std::vector<uint8_t> source = {1, 2, 3, 4};
  const Bytes to = {target.data(), target.size()};
  const Bytes from = {source.data(), source.size()};
  CHECK(CopyBlock(to, 6, from, 0, 4) && target[5] == 0 && target[6] == 1 && target[9] == 4);
  CHECK(CopyBlock(to, 10, from, 4, 0) && CopyBlock({nullptr, 0}, 0, {nullptr, 0}, 0, 0));
  CHECK(!CopyBlock(to, 7, from, 0, 4) && !CopyBlock(to, 0, from, 1, 4) && !CopyBlock(to, 11, from, 0, 0));
  CHECK(!CopyBlock(to, UINT64_MAX, from, 0, 2) && !CopyBlock(to, 0, from, 2, UINT64_MAX));
  CHECK(CopyBlock(to, 0, to, 1, 9) && target[5] == 1);  // overlapping
  CHECK(IsInside(0, 0, 0) && !IsInside(1, 0, 0) && !IsInside(1, UINT64_MAX, UINT64_MAX));
}

void TestFileWrite(const std::string& folder) {
  const int fd = open((folder + "/written").c_str(), O_RDWR | O_CREAT, 0600);
  std::vector<uint8_t> bytes(200001);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  const std::vector<ByteRange> ranges = {
      {bytes.data(), 1}, {nullptr, 0}, {bytes.data() + 1, 65536}, {bytes.data() + 65537, bytes.size() - 65537}};
  CHECK(!WriteFile(fd, 3, ranges) && !WriteFile(fd, uint64_t{1} << 53, {}) && !WriteFile(fd, 0, {{nullptr, 0}}));
  CHECK(lseek(fd, 0, SEEK_END) == static_cast<off_t>(bytes.size()) + 3);
  std::vector<uint8_t> read(bytes.size());
  CHECK(pread(fd, read.data(), read.size(), 3) == static_cast<ssize_t>(read.size()) && read == bytes);
  CHECK(WriteFile(fd, 0, {{nullptr, 1}}).value() == EFAULT && WriteFile(-1, 0, ranges).value() == EBADF);
  const int read_only = open((folder + "/written").c_str(), O_RDONLY);
  CHECK(WriteFile(read_only, 0, ranges).value() == EBADF && !WriteFile(read_only, 0, {}));
  // A file may get no longer than this: the call that crosses the limit writes less than it is given, the next one
  // fails.
  signal(SIGXFSZ, SIG_IGN);
  rlimit earlier;
  CHECK(getrlimit(RLIMIT_FSIZE, &earlier) == 0);
  const rlimit limit = {300000, earlier.rlim_max};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  CHECK(WriteFile(fd, 150000, ranges).value() == EFBIG && lseek(fd, 0, SEEK_END) == 300000);
  CHECK(setrlimit(RLIMIT_FSIZE, &earlier) == 0);
  CHECK(pread(fd, read.data(), 150000, 150000) == 150000 && memcmp(read.data(), bytes.data(), 150000) == 0);
  close(read_only);
  close(fd);
}

// Two windows; logical block b is the b-th entry of the table.
struct TestHeap {
  std::vector<uint32_t> zeros = std::vector<uint32_t>(8192, 0);
  std::vector<uint32_t> words = std::vector<uint32_t>(8192 * 3, 0);
  std::vector<uint32_t> table = {0, 0x10000, 0x10001, 0x10002, 0x10003, 0x20000, 0xffffffff};
  HeapWords heap() const {
    return HeapWords(table.data(), table.size(), {{zeros.data(), 1}, {words.data(), 3}, {nullptr, 0}});
  }
};

void TestHeapWords() {
  const TestHeap test;
  const HeapWords heap = test.heap();
  CHECK(heap.At(0) == test.zeros.data() && heap.At(4095) == test.zeros.data() + 8190);
  CHECK(heap.At(4096) == test.words.data() && heap.At(4 * 4096 - 1) == test.words.data() + 3 * 8192 - 2);
  CHECK(heap.At(4 * 4096) == nullptr && heap.At(5 * 4096) == nullptr && heap.At(6 * 4096) == nullptr);
  CHECK(heap.At(7 * 4096) == nullptr && heap.At(0xffffffff) == nullptr);
}

void TestTextGroups() {
  TestHeap test;
  const std::string bytes = "shortabcdefgabcdefgabcdefh";
  const std::vector<int32_t> starts = {0, 5, 12, 19, 0, 0};
  const std::vector<int32_t> ends = {5, 12, 19, 26, -1, 0};
  const Texts texts = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), starts.data(), ends.data(), 0, 6};
  std::vector<uint32_t> words(12, 99);
  std::vector<uint32_t> groups(6 * kGroupHalves, 99);
  CHECK(GroupTexts(7, texts, words.data(), groups.data()) == 2);
  CHECK(words[0] == 0x726f6873 && words[1] == 0x7ff60074 && words[2] == 0 && words[3] == 0xfff10000 && words[4] == 0);
  CHECK(words[6] == 1 && words[8] == 0 && words[9] == 0 && words[10] == 6 && words[11] == 0x7ff10000);
  CHECK(groups[0] == 1 && groups[2] == 2 && groups[3] == 0 && groups[4] == 3 && groups[6] == 1);
  // a table of one segment of 8 words at address 4100, whose directory is at 4098, with the first string at 4200
  const uint32_t hash = groups[1];
  test.words[2 * 0] = 4098;
  test.words[2 * 2] = 4100;
  test.words[2 * 2 + 1] = 3 << 8;
  const uint32_t home = (hash & 7) == 0 ? 1 : hash & 7;
  test.words[2 * (4 + home)] = 4200;
  test.words[2 * (4 + home) + 1] = hash | 0x80000000;
  test.words[2 * 104] = 7;
  memcpy(&test.words[2 * 105], "abcdefg", 7);
  CHECK(FindTexts(test.heap(), 4096, texts, groups.data(), 2) && groups[3] == 4200 && groups[7] == 0);
  memcpy(&test.words[2 * 105], "abcdefx", 7);
  CHECK(FindTexts(test.heap(), 4096, texts, groups.data(), 2) && groups[3] == 0);
  for (uint32_t slot = 1; slot < 8; slot++) {  // no end: every slot has the hash
    test.words[2 * (4 + slot)] = 4200;
    test.words[2 * (4 + slot) + 1] = hash | 0xc0000000;
  }
  CHECK(!FindTexts(test.heap(), 4096, texts, groups.data(), 2));
  CHECK(PrefetchPlaces(test.heap(), 4096, &hash, 1) && PrefetchPlaces(test.heap(), 4096, nullptr, 0));
  test.words[2 * 2] = 0xfffffff0;
  CHECK(!FindTexts(test.heap(), 4096, texts, groups.data(), 2));
  CHECK(!PrefetchPlaces(test.heap(), 4096, &hash, 1) && !PrefetchPlaces(test.heap(), 0xffffffff, &hash, 1));
  CHECK(!FindTexts(test.heap(), 0xffffffff, texts, groups.data(), 2));
  const Texts outside = {texts.bytes, 25, starts.data(), ends.data(), 0, 6};
  CHECK(GroupTexts(7, outside, words.data(), groups.data()) == kOutside);
}

void TestCopyLines() {
  std::string text("d\0\0\0\x0b" "1\ta\\nb\n" "d\0\0\0\x09" "\\N\t2\n" "c", 23);
  std::vector<int32_t> starts(6, 0);
  std::vector<int32_t> ends(6, 0);
  const Fields fields = {starts.data(), ends.data(), 2, 3};
  auto* bytes = reinterpret_cast<uint8_t*>(&text[0]);
  const SplitResult split = SplitLines(bytes, text.size(), 0, fields, 0);
  CHECK(split.lines == 2 && split.position == 22 && text.substr(7, 3) == "a\nb");
  CHECK(starts[0] == 5 && ends[0] == 6 && starts[3] == 7 && ends[3] == 10 && ends[1] == -1 && starts[4] == 20 && ends[4] == 21);
  CHECK(SplitLines(bytes, text.size(), 23, fields, 0).lines == 0 && SplitLines(bytes, 22, 12, fields, 3).lines == 0);
}

void TestLineBatch() {
  std::string text("d\0\0\0\x15" "-5\tlong text\t1.5\n" "d\0\0\0\x15" "70\tlong text\t1e9\n" "c", 45);
  std::vector<int32_t> starts(9, 0), ends(9, 0), counts(3, 9);
  std::vector<uint32_t> words(18, 9), groups(3 * kGroupHalves, 9);
  const std::vector<uint8_t> kinds = {kIntegerField, kTextField, kNumberField};
  const Fields fields = {starts.data(), ends.data(), 3, 3};
  auto* bytes = reinterpret_cast<uint8_t*>(&text[0]);
  const auto split = PrepareLines(bytes, text.size(), 0, fields, 7, {kinds.data(), words.data(), groups.data(), counts.data()});
  CHECK(split.position == 44 && split.lines == 2);
  CHECK(counts[0] == 2 && counts[1] == 1 && counts[2] == 1);  // 1e9 is left to others
  const double minus_five = -5;
  CHECK(memcmp(&words[0], &minus_five, 8) == 0);
  CHECK(words[6] == 0 && words[8] == 0 && groups[2] == 2 && groups[3] == 0);
}

void TestNumbers() {
  const std::string text = "12-0.51e5";
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const std::vector<int32_t> starts = {0, 2, 0, 6};
  const std::vector<int32_t> ends = {2, 6, -1, 9};
  std::vector<uint32_t> words(8, 1);
  double number = 0;
  CHECK(ParseNumbers(bytes, text.size(), starts.data(), ends.data(), 4, false, words.data()) == 3);
  memcpy(&number, &words[2], 8);
  CHECK(number == -0.5 && words[4] == 0 && words[5] == 0);
  CHECK(ParseNumbers(bytes, text.size(), starts.data(), ends.data(), 4, true, words.data()) == 1);
  CHECK(ParseNumbers(bytes, 1, starts.data(), ends.data(), 4, true, words.data()) == 0);
}

void TestRecords() {
  const std::vector<uint32_t> words = {1, 7, 0, 0, 2, 7, 1, 7};
  uint32_t size = 0;
  CHECK(CountWords(words.data(), 4, 5, kHashBits, &size, 1) && size == 3 && !CountWords(words.data(), 4, 5, 0, &size, 1));
  std::vector<uint32_t> records(12, 0);
  uint32_t next = 0;
  CHECK(SortWords(words.data(), 4, 10, 5, kHashBits, 0, &next, 1, records.data(), 3) && next == 3 && records[4] == 12);
  CHECK(!SortWords(words.data(), 4, 10, 5, kHashBits, 0, &next, 1, records.data(), 3));
  std::vector<uint32_t> numbers(3, 0), ends(3, 0), hashes(3, 0);
  RecordGrouper grouper;
  CHECK(grouper.Group(records.data(), 3, 100, numbers.data(), ends.data(), hashes.data()) == 2);
  CHECK(numbers == std::vector<uint32_t>({10, 13, 12}) && ends[0] == 102 && ends[1] == 103 && hashes[0] == records[1]);
  CHECK(grouper.Group(records.data(), 0, 0, numbers.data(), ends.data(), hashes.data()) == 0);
}

void TestIndexSort() {
  TestHeap test;
  for (uint32_t i = 0; i < 4096 * 2; i++) {  // in blocks 1 and 2, over the border between them
    test.words[2 * i] = i % 5 == 0 ? 0 : i % 100;
    test.words[2 * i + 1] = i % 5 == 0 ? 0 : 7;
  }
  std::vector<uint32_t> numbers(8000, 0), ends(8000, 0), hashes(8000, 0);
  for (const uint32_t pass : {100u, 1000u, 100000u}) {
    SortedNumbers sorted = {numbers.data(), ends.data(), hashes.data(), 9, 9};
    CHECK(SortIndex(test.heap(), {4100, 8000, 7}, {64, pass}, &sorted) && sorted.count == 6400 && sorted.words == 80);
    for (uint32_t word = 0, from = 0; word < 80; from = ends[word++]) {
      CHECK(ends[word] == from + 80 && (word == 0 || hashes[word] >> 24 >= hashes[word - 1] >> 24));
      for (uint32_t i = from + 1; i < ends[word]; i++) CHECK(numbers[i] > numbers[i - 1] && (numbers[i] - numbers[from]) % 100 == 0);
    }
    CHECK(!SortIndex(test.heap(), {4100, 4096 * 3, 7}, {64, pass}, &sorted));
  }
}

// An array of 5000 words that are 1 to 5000, or tagged, and bits for all of them.
struct ScanHeap {
  ScanHeap() : halves(4 * 4096 * 2), table{0, 1, 2, 3} {
    for (uint32_t i = 0; i < 5000; i++) Put(i, i + 1);
    for (size_t i = 0; i < 256; i++) halves[2 * 4096 * 2 + i] = ~0u;
  }
  void Put(uint32_t at, double number) { memcpy(&halves[at * 2], &number, 8); }
  HeapWords Words() const { return HeapWords(table.data(), table.size(), {{halves.data(), 4}}); }

  std::vector<uint32_t> halves;
  std::vector<uint32_t> table;
};

void TestScans() {
  ScanHeap heap;
  const uint32_t bits = 2 * 4096;
  const WordArray array = {0, 8192};
  double bound = 4999;
  int32_t low_high[2];
  memcpy(low_high, &bound, 8);
  std::vector<int32_t> steps = {2, 0, 2, 0, low_high[0], low_high[1]};  // greater than 4999
  std::vector<int32_t> found(8192);
  WordTests tests;
  CHECK(tests.Parse(steps.data(), 1, nullptr, 0, &array, 1));
  CHECK(tests.Scan(heap.Words(), bits, 0, 5000, found.data()) == 1 && found[0] == 4999);
  CHECK(tests.Scan(heap.Words(), bits, 0, 4999, nullptr) == 0 && tests.Scan(heap.Words(), 0, 0, 5000, nullptr) == 0);
  CHECK(tests.Scan(heap.Words(), 99 * 4096, 0, 5000, nullptr) == WordTests::kOutside);
  heap.halves[10 * 2 + 1] = 0xfff1u << 16;  // a string among the numbers
  CHECK(tests.Scan(heap.Words(), bits, 0, 5000, nullptr) == WordTests::kUnusual);
  const WordArray outside = {9 * 4096, 8192};
  CHECK(tests.Parse(steps.data(), 1, nullptr, 0, &outside, 1));
  CHECK(tests.Scan(heap.Words(), bits, 0, 10, nullptr) == WordTests::kOutside);
  CHECK(!tests.Parse(steps.data(), 1, nullptr, 0, &array, 0) && !tests.Parse(steps.data(), 0, nullptr, 0, &array, 1));
  steps = {1, 0, 0, 0, 0, 2};  // one of two words that are not there
  CHECK(!tests.Parse(steps.data(), 1, low_high, 1, &array, 1) && tests.Parse(steps.data(), 1, low_high, 2, &array, 1));
  steps = {4, 0, 0, 0, 0, 0};  // nothing to join
  CHECK(!tests.Parse(steps.data(), 1, nullptr, 0, &array, 1));
  const WordArray few = {100, 3};
  steps = {0, 0, 0, 0, 0, 0};  // absent
  CHECK(tests.Parse(steps.data(), 1, nullptr, 0, &few, 1) && tests.Scan(heap.Words(), bits, 0, 200, nullptr) == 197);
}

void TestGroups() {
  ScanHeap heap;
  std::vector<int32_t> positions(300);
  for (size_t i = 0; i < positions.size(); i++) positions[i] = static_cast<int32_t>(i % 150);
  for (const size_t integers : {size_t{0}, size_t{100}}) {
    std::vector<int32_t> places(256 * kPlaceHalves);
    std::vector<int32_t> known(integers);
    std::vector<int32_t> numbers(300);
    PairNumbers dictionary = {places.data(), 255, 0};
    const size_t done =
        NumberWords(heap.Words(), {0, 8192}, positions.data(), 300, &dictionary, {known.data(), known.size()}, numbers.data());
    CHECK(done == 127 && dictionary.size == 127 && numbers[126] == 126);  // half full
    std::vector<double> counts(127);
    std::vector<double> sums(127);
    CHECK(GatherNumbers(heap.Words(), {0, 8192}, positions.data(), numbers.data(), 127, Gathering::kSum, counts.data(),
                        sums.data(), 127) == 127);
    CHECK(counts[5] == 1 && sums[5] == 6);
    CHECK(GatherNumbers(heap.Words(), {0, 8192}, positions.data(), numbers.data(), 127, Gathering::kPositions,
                        counts.data(), sums.data(), 126) == kGroupsOutside);
  }
  CHECK(NumberWords(HeapWords(nullptr, 0, {}), {0, 8192}, positions.data(), 1, nullptr, {nullptr, 0}, nullptr) ==
        kGroupsOutside);
}

}  // namespace

int main(int count, char** arguments) {
  CHECK(count == 2);
  const std::string folder = arguments[1];
  TestChecksums();
  TestProcessor();
  TestFileWindow(folder);
  TestAnonymous();
  TestRegistry();
  TestLock(folder);
  TestName(folder);
  TestCopy();
  TestFileWrite(folder);
  TestHeapWords();
  TestTextGroups();
  TestCopyLines();
  TestLineBatch();
  TestNumbers();
  TestRecords();
  TestIndexSort();
  TestScans();
  TestGroups();
  CHECK(!SyncFolder(folder) && SyncFolder(folder + "/missing"));
  puts("native: all holds");
  return 0;
}
