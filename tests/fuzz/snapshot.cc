// What an agent compiles: a snapshot from the control plane or from disk, as protobuf, or as its
// text form behind a '#'. It is refused with a reason for each part, or serves any request.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "apk/v1/discovery.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "data-plane/agent/snapshot_builder.h"
#include "data-plane/http/path.h"
#include "data-plane/routing/compile.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

class Silent final : public google::protobuf::io::ErrorCollector {
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
};

bool Read(std::string_view bytes, v1::Snapshot& snapshot) {
  if (!bytes.starts_with('#'))
    return snapshot.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  parser.SetRecursionLimit(50);
  return parser.ParseFromString(std::string(bytes), &snapshot);
}

void CheckMatches(const RouteTable& table) {
  for (const Port& port : table.ports()) {
    for (const char* const host : {"a.example", "b.a.example", "127.0.0.1", "x"}) {
      const Listener* const listener = port.FindListener(host);
      if (listener == nullptr) continue;
      for (const char* const path : {"/", "/a", "/a/b", "/a/b/../c"}) {
        RequestHead head;
        head.Clear();
        head.method = "GET";
        head.authority = head.host = host;
        Require(NormalizePath(path, head.path), "the path is one");
        head.has_query = true;
        head.query = "a=b&c";
        head.headers.Add("x-a", "b");
        const auto match = RouteTable::Match(*listener, head);
        Require(!match.has_value() || match->rule != nullptr, "a match has a rule");
      }
    }
  }
}

void CheckResponse(std::string_view bytes) {
  v1::DiscoveryResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  SnapshotBuilder builder;
  const auto next = builder.Next(response);
  if (!next.ok()) return;
  builder.Reset(*next);
  Require(builder.Now().resources_size() == next->resources_size(), "what was received is held");
  builder.Held();
}

void Check(std::string_view bytes) {
  CheckResponse(bytes);
  v1::Snapshot snapshot;
  if (!Read(bytes, snapshot)) return;
  Compiler compiler("127.0.0.1");
  for (int i = 0; i < 2; ++i) {  // The second one shares with the first.
    const CompileResult result = compiler.Compile(snapshot);
    Require((result.table == nullptr) != result.errors.empty(), "a table, or what is wrong");
    for (const CompileError& error : result.errors) {
      Require(!error.message.empty(), "an error says what is wrong");
    }
    if (result.table != nullptr) CheckMatches(*result.table);
  }
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
