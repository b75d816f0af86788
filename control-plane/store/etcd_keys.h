// The names of what stands in etcd. Pure.
//
//   now/head                  the newest revision; every append compares and writes it
//   now/leader                who writes statuses and looks after the rest, under a lease
//   now/fleet/REPLICA/AGENT   what an agent told the control plane it is connected to, under a
//                             lease
//   now/record/KEY            a record: who may join, who has joined, who is shut out
//   log/REVISION              a change-set
//   id/ID                     which revision a change-set became, so that none is appended twice
//   blob/HASH                 what does not fit into a change-set or a checkpoint, by its SHA-256
//   blobs-of/REVISION         the blobs of a change-set that has some
//   checkpoint/REVISION       everything at that revision, as a list of blobs
//   written/SLOT              the token of a transaction of records, so that a writer whose answer
//                             was lost knows its own
//   shared/NAME               the certificate authority and what else all control planes share
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "common/strings.h"

namespace apk {

class EtcdKeys {
 public:
  // `prefix` as in EtcdUrl.
  explicit EtcdKeys(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string Now() const { return Concat(prefix_, "/now/"); }
  std::string Head() const { return Concat(prefix_, "/now/head"); }
  std::string Leader() const { return Concat(prefix_, "/now/leader"); }
  std::string Fleet() const { return Concat(prefix_, "/now/fleet/"); }
  std::string Agent(std::string_view replica, std::string_view agent) const {
    return Concat(Fleet(), replica, "/", agent);
  }
  std::string Records() const { return Concat(prefix_, "/now/record/"); }
  std::string Record(std::string_view key) const { return Concat(Records(), key); }
  std::string Written(std::string_view slot) const { return Concat(prefix_, "/written/", slot); }
  std::string Log(uint64_t revision) const { return Numbered("/log/", revision); }
  std::string LogEnd() const { return Concat(prefix_, "/log0"); }
  std::string Id(std::string_view id) const { return Concat(prefix_, "/id/", id); }
  std::string Blobs() const { return Concat(prefix_, "/blob/"); }
  std::string Blob(std::string_view hash) const { return Concat(Blobs(), Hex(hash)); }
  std::string BlobsOf() const { return Concat(prefix_, "/blobs-of/"); }
  std::string BlobsOf(uint64_t revision) const { return Numbered("/blobs-of/", revision); }
  std::string Checkpoints() const { return Concat(prefix_, "/checkpoint/"); }
  std::string Checkpoint(uint64_t revision) const { return Numbered("/checkpoint/", revision); }
  std::string Shared(std::string_view name) const { return Concat(prefix_, "/shared/", name); }

 private:
  // Sorted as the numbers are.
  std::string Numbered(std::string_view folder, uint64_t revision) const {
    char digits[24];
    std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(revision));
    return Concat(prefix_, folder, digits);
  }

  const std::string prefix_;
};

}  // namespace apk
