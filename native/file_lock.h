#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace snapheap {

// An exclusive lock on a file of its own, dropped by the kernel when the process dies. It also excludes a second
// FileLock in the same process. The holder's pid is written into the file as decimal text for others to report;
// the file itself stays, for removing it could let two processes lock two files of the same name.
class FileLock {
 public:
  FileLock() = default;
  ~FileLock() { Release(); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // `resource_unavailable_try_again` when it is held elsewhere; `holder_pid` is then the holder, or 0 when the holder
  // has not written it yet. `path` is UTF-8.
  std::error_code Acquire(const std::string& path, int64_t* holder_pid);

  // Idempotent.
  void Release();

 private:
#ifdef _WIN32
  void* handle_ = nullptr;
#else
  int fd_ = -1;
#endif
};

// Locks an open file for as long as that stays open: the kernel drops it when the last descriptor of this opening is closed, or
// its process dies. `resource_unavailable_try_again` when it is locked through another opening.
std::error_code LockOpenFile(int fd);

// The pid written at the start of a lock file, 0 when the text is not one.
int64_t ParsePid(const char* text, size_t size);

}  // namespace snapheap
