#pragma once

#include <string>
#include <system_error>

namespace snapheap {

// Makes the names in a folder durable. Does nothing on Windows, where a folder cannot be flushed. `path` is UTF-8.
std::error_code SyncFolder(const std::string& path);

}  // namespace snapheap
