// The look-up: exact paths first, then one walk from the longest key to the shortest.
#include "data-plane/routing/path_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

#include "common/words.h"
#include "data-plane/routing/expression_program.h"
#include "data-plane/routing/request_match.h"

namespace apk {
namespace {

constexpr uint64_t kLastTags = 0x80808080;

// By MethodNumber.
constexpr std::string_view kMethods[] = {"",     "GET",   "POST",    "PUT",   "DELETE",
                                         "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT"};

}  // namespace

uint8_t PathIndex::MethodNumber(std::string_view method) {
  const auto* const known = std::find(std::begin(kMethods), std::end(kMethods), method);
  return known == std::end(kMethods) ? kOtherMethod
                                     : static_cast<uint8_t>(known - std::begin(kMethods));
}

bool PathIndex::Entry::LongerFirst(const Entry& a, const Entry& b) {
  if (a.base_size != b.base_size) return a.base_size > b.base_size;
  if (a.path_size != b.path_size) return a.path_size > b.path_size;
  return GoesBefore(*a.match, *b.match);
}

// One look-up in one index.
class PathIndex::Look {
 public:
  Look(const Place& place, const PathQuery& query)
      : data_(place.data), group_mask_(place.group_mask), query_(query), path_(query.keys.path()),
        is_ascii_(header().expressions && IsAscii(path_)) {}

  bool Find(RouteMatch& found) {
    if (header().exact && FindExact(found)) return true;
    Walk();
    if (expression_ != nullptr) {
      TakeExpression(found);
    } else if (prefix_ != nullptr) {
      found.rule = prefix_->rule;
      found.path.base_path = path_.substr(0, prefix_->base_size);
      found.path.prefix = path_.substr(prefix_->base_size, prefix_key_size_ - prefix_->base_size);
      found.path.is_prefix = true;
    } else {
      return false;
    }
    return true;
  }

 private:
  const Header& header() const { return *reinterpret_cast<const Header*>(data_); }
  const Group& group(size_t number) const {
    return reinterpret_cast<const Group*>(data_ + kLine)[number];
  }
  static const Entry* EntriesOf(const Record& record) {
    return reinterpret_cast<const Entry*>(&record + 1);
  }
  static std::string_view KeyOf(const Record& record) {
    const Entry* const end =
        EntriesOf(record) + record.exact + record.expressions + record.prefixes;
    return std::string_view(reinterpret_cast<const char*>(end), record.key_size);
  }

  const Record* FindRecord(uint64_t hash, std::string_view key) const {
    const uint64_t tag = TagOf(hash);
    for (size_t number = GroupOf(hash, group_mask_);; number = (number + 1) & group_mask_) {
      const Group& line = group(number);
      if (const Record* found = FindInGroup(line, 0, EqualBytes(line.tags[0], tag), key))
        return found;
      if (const Record* found =
              FindInGroup(line, 8, EqualBytes(line.tags[1], tag) & kLastTags, key)) {
        return found;
      }
      if ((line.tags[1] & kOverflow) == 0) return nullptr;
    }
  }
  const Record* FindInGroup(const Group& line, size_t first, uint64_t candidates,
                            std::string_view key) const {
    for (; candidates != 0; candidates &= candidates - 1) {
      const size_t at = first + static_cast<size_t>(std::countr_zero(candidates)) / 8;
      const auto& record = *reinterpret_cast<const Record*>(data_ + line.records[at]);
      if (KeyOf(record) == key) return &record;
    }
    return nullptr;
  }

  bool AcceptsMethod(const Entry& entry) const {
    return entry.method == kAnyMethod || entry.method == kOtherMethod ||
           kMethods[entry.method] == query_.request.method;
  }
  bool Accepts(const Entry& entry) const {
    if (!AcceptsMethod(entry)) return false;
    return (entry.flags & kConditions) == 0 || entry.match->AcceptsBesidePath(query_.request);
  }

  bool FindExact(RouteMatch& found) const {
    const PathKeys& keys = query_.keys;
    if (FindExact(keys.hash(), path_, false, found)) return true;
    if (!path_.ends_with('/')) return false;
    const std::string_view dropped = path_.substr(0, path_.size() - 1);
    return FindExact(keys.complete() ? keys[keys.size() - 2].hash : keys.hash(), dropped, true,
                     found);
  }
  bool FindExact(uint64_t hash, std::string_view key, bool dropped_slash, RouteMatch& found) const {
    const Record* const record = FindRecord(hash, key);
    if (record == nullptr) return false;
    const Entry* const entries = EntriesOf(*record);
    for (const Entry* entry = entries; entry != entries + record->exact; ++entry) {
      if (dropped_slash && (entry->flags & kTolerant) == 0) continue;
      if (!Accepts(*entry)) continue;
      found.rule = entry->rule;
      found.path.base_path = path_.substr(0, entry->base_size);
      // What is left of "/base/" is "/", which is nothing to drop.
      found.path.drop_trailing_slash = dropped_slash && key.size() > entry->base_size;
      return true;
    }
    return false;
  }

  // Longest first; "/a/" has the boundaries of "/a".
  void Walk() {
    const PathKeys& keys = query_.keys;
    const uint32_t depths = header().depths;
    size_t depth = keys.size();
    if (!keys.complete()) {
      size_t end = path_.size() - (path_.ends_with('/') ? 1 : 0);
      for (; end > keys[depth - 1].end; end = path_.rfind('/', end - 1)) {
        if ((depths >> PathKeys::kMaxDepth) == 0) break;
        if (end <= header().longest && Visit(keys.hash(), end)) return;
      }
    } else if (path_.ends_with('/')) {
      --depth;
    }
    while (depth-- > 0) {
      if ((depths >> depth & 1) != 0 && Visit(keys[depth].hash, keys[depth].end)) return;
    }
  }

  // True where no shorter key can win.
  bool Visit(uint64_t hash, size_t end) {
    const Record* const record = FindRecord(hash, path_.substr(0, end));
    if (record == nullptr) return false;
    const Entry* entry = EntriesOf(*record) + record->exact;
    for (const Entry* last = entry + record->expressions; entry != last; ++entry) {
      if (expression_ != nullptr && !Entry::LongerFirst(*entry, *expression_)) {
        entry = last;
        break;
      }
      if (!AcceptsExpression(*record, *entry)) continue;
      expression_ = entry;
      entry = last;
      break;
    }
    if (prefix_ != nullptr || expression_ != nullptr) return false;
    for (const Entry* last = entry + record->prefixes; entry != last; ++entry) {
      if (!Accepts(*entry)) continue;
      prefix_ = entry;
      prefix_key_size_ = end;
      return !header().expressions;
    }
    return false;
  }

  bool AcceptsExpression(const Record& record, const Entry& entry) {
    if (!AcceptsMethod(entry)) return false;  // Cheapest first.
    std::string_view relative = path_.substr(entry.base_size);
    if (relative.empty()) relative = "/";
    bool dropped_slash = false;
    if (!Matches(record, entry, relative)) {
      if ((entry.flags & kTolerant) == 0 || relative.size() < 2 || !relative.ends_with('/')) {
        return false;
      }
      relative.remove_suffix(1);
      dropped_slash = true;
      if (!Matches(record, entry, relative)) return false;
    }
    if (!Accepts(entry)) return false;
    relative_ = relative;
    dropped_slash_ = dropped_slash;
    return true;
  }
  bool Matches(const Record& record, const Entry& entry, std::string_view text) const {
    if (entry.program_size == 0 || !is_ascii_) return entry.match->expression->Matches(text);
    const char* const program = reinterpret_cast<const char*>(&record) + entry.program;
    return RunProgram(std::string_view(program, entry.program_size), text);
  }

  void TakeExpression(RouteMatch& found) const {
    found.rule = expression_->rule;
    found.path.base_path = path_.substr(0, expression_->base_size);
    found.path.drop_trailing_slash = dropped_slash_;
    found.path.expression = expression_->match->path;
    if ((expression_->flags & kGroups) == 0) return;
    found.path.groups = expression_->match->expression->Groups(relative_);
  }

  const std::byte* const data_;
  const uint32_t group_mask_;
  const PathQuery& query_;
  const std::string_view path_;
  const bool is_ascii_;  // Looked at where there are expressions.

  // The best that were met.
  const Entry* expression_ = nullptr;
  std::string_view relative_;  // What it matched,
  bool dropped_slash_ = false;
  const Entry* prefix_ = nullptr;
  size_t prefix_key_size_ = 0;
};

PathIndex::PathIndex(size_t bytes, uint32_t group_mask)
    : memory_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kLine)))),
      place_{memory_.get(), group_mask} {
  std::memset(memory_.get(), 0, bytes);
}

bool PathIndex::Place::Find(const PathQuery& query, RouteMatch& found) const {
  return Look(*this, query).Find(found);
}

std::string_view PathIndex::Place::host() const {
  const auto& header = *reinterpret_cast<const Header*>(data);
  return std::string_view(reinterpret_cast<const char*>(data) + header.host_offset,
                          header.host_size);
}

}  // namespace apk
