// What programs of earlier versions wrote, and what later ones may send: each folder of corpus/ is
// what record_corpus.py recorded with one version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "common/snapshot_version.h"
#include "common/strings.h"
#include "control-plane/backup/backup_file.h"
#include "control-plane/store/sqlite_log.h"
#include "control-plane/translation/translate.h"
#include "data-plane/agent/discovery_session.h"
#include "data-plane/agent/last_good_snapshot.h"
#include "data-plane/routing/compile.h"
#include "tests/proof/plain_subscription.h"

namespace apk {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> Versions() {
  std::vector<std::string> versions;
  for (const auto& entry : fs::directory_iterator(APK_CORPUS_DIR)) {
    versions.push_back(entry.path().filename());
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

class Corpus : public testing::TestWithParam<std::string> {
 protected:
  Corpus() {
    char pattern[] = "/tmp/apk-corpus-XXXXXX";
    scratch_ = mkdtemp(pattern);
  }
  ~Corpus() override { fs::remove_all(scratch_); }

  fs::path PathOf(const char* name) const { return fs::path(APK_CORPUS_DIR) / GetParam() / name; }
  // To be changed without harm.
  fs::path Copied(const char* name) const {
    fs::copy_file(PathOf(name), scratch_ / name);
    return scratch_ / name;
  }
  template <class Message>
  Message Read(const char* name) const {
    Message message;
    EXPECT_TRUE(message.ParseFromString(ReadAll(PathOf(name)))) << name;
    return message;
  }
  std::set<std::string> RecordedObjects() const {
    std::ifstream file(PathOf("objects"));
    std::set<std::string> objects;
    for (std::string line; std::getline(file, line);) objects.insert(line);
    return objects;
  }

  fs::path scratch_;
};

// Of the kinds that are recorded by name.
std::set<std::string> NamesOf(const ResourceSet& resources, const std::set<std::string>& recorded) {
  std::set<std::string> names;
  for (const auto& [key, object] : resources.resources()) {
    std::string name = Concat(key.kind, " ", key.namespace_name, "/", key.name);
    if (recorded.contains(name)) names.insert(std::move(name));
  }
  return names;
}

std::set<std::string> NamesOf(const v1::Snapshot& snapshot) {
  std::set<std::string> names;
  for (const v1::SnapshotResource& resource : snapshot.resources()) names.insert(resource.name());
  return names;
}

TEST_P(Corpus, TheDatabaseIsTakenOverWithAllItsRevisions) {
  auto log = SqliteLog::Open(Copied("store.db"));
  ASSERT_TRUE(log.ok()) << log.status();
  const absl::StatusOr<StoredState> state = (*log)->Load();
  ASSERT_TRUE(state.ok()) << state.status();
  const std::set<std::string> recorded = RecordedObjects();
  EXPECT_EQ(NamesOf(state->resources, recorded), recorded);
  ASSERT_GE(state->revision, 4u);
  for (uint64_t revision = 1; revision <= state->revision; ++revision) {
    EXPECT_TRUE((*log)->StateAt(revision).ok()) << revision;
  }
  EXPECT_TRUE((*log)->History(100, true).ok());
  // It goes on from there.
  ChangeSet change_set;
  change_set.id = "later";
  change_set.operations.push_back({.key = state->resources.resources().begin()->first,
                                   .object = state->resources.resources().begin()->second});
  EXPECT_TRUE((*log)->Append(state->revision, change_set).ok());
}

// Nothing that agents were given then is lost to them.
TEST_P(Corpus, TheDatabaseStillMakesTheSnapshotThatItMade) {
  auto log = SqliteLog::Open(Copied("store.db"));
  ASSERT_TRUE(log.ok()) << log.status();
  const StoredState state = (*log)->Load().value();
  const v1::Snapshot now =
      Translate(state.resources, FleetReport(), state.revision, "2026-01-01T00:00:00Z").snapshot;
  fs::create_directory(scratch_ / "agent");
  fs::copy_file(PathOf("snapshot"), scratch_ / "agent/snapshot");
  const v1::Snapshot then = LastGoodSnapshot(scratch_ / "agent").Load().value();
  const std::set<std::string> names = NamesOf(now);
  for (const std::string& name : NamesOf(then)) EXPECT_TRUE(names.contains(name)) << name;
}

TEST_P(Corpus, AnAgentStartsFromTheSnapshotFile) {
  fs::copy_file(PathOf("snapshot"), scratch_ / "snapshot");
  const absl::StatusOr<v1::Snapshot> snapshot = LastGoodSnapshot(scratch_).Load();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_GT(snapshot->revision(), 0u);
  const CompileResult compiled = Compiler("127.0.0.1").Compile(*snapshot);
  ASSERT_NE(compiled.table, nullptr) << compiled.errors.front().message;
  EXPECT_NE(compiled.table->FindPort("", 18080), nullptr);
}

TEST_P(Corpus, ABackupIsRead) {
  const absl::StatusOr<Backup> backup = ReadBackup(ReadAll(PathOf("backup")));
  ASSERT_TRUE(backup.ok()) << backup.status();
  const std::set<std::string> recorded = RecordedObjects();
  EXPECT_EQ(NamesOf(backup->resources, recorded), recorded);
}

// A name for each message of a stream, in its order: the whole for an agent that has nothing, then
// a difference; a hello with something else, what is asked then, and its answer; a refusal.
struct Conversation {
  v1::DiscoveryRequest hello, accepted, hello_again, held, refused;
  v1::DiscoveryResponse whole, difference, question;

  template <class Take>
  void ForEach(const Take& take) {
    take("request-hello", hello);
    take("response-whole", whole);
    take("request-accepted", accepted);
    take("response-difference", difference);
    take("request-refused", refused);
    take("request-hello-again", hello_again);
    take("response-question", question);
    take("request-held", held);
  }
};

SnapshotPtr MakeSnapshot(uint64_t revision, const std::vector<std::string>& values) {
  auto snapshot = std::make_shared<SharedSnapshot>();
  for (size_t i = 0; i < values.size(); ++i) {
    v1::SnapshotResource resource;
    resource.set_name(Concat("backend/n/", std::to_string(i)));
    resource.mutable_backend()->add_endpoints()->set_host(values[i]);
    snapshot->resources.push_back(Seal(std::move(resource)));
  }
  snapshot->version = VersionOf(snapshot->resources);
  snapshot->revision = revision;
  return snapshot;
}

// Has the conversation between the machines of this program; `between` may change what goes over.
template <class Between>
Conversation Talk(const Between& between) {
  Conversation said;
  v1::AgentInfo info;
  info.set_id("agent-1");
  info.set_address("127.0.0.1");
  info.set_version("recorded");
  DiscoverySession agent;
  const auto take = [&agent](const v1::Snapshot& snapshot, v1::DiscoveryRequest&) {
    agent.Hold(snapshot);
  };
  const auto refuse = [](const v1::Snapshot&, v1::DiscoveryRequest& request) {
    request.set_error("it does not fit");
    request.add_resource_errors()->set_name("backend/n/0");
  };
  proof::PlainSubscription stream("store");
  const SnapshotPtr second = MakeSnapshot(8, {"a", "c", "d"});
  said.hello = between(agent.Hello(info));
  said.whole = between(*stream.OnHello(said.hello, MakeSnapshot(7, {"a", "b"})));
  said.accepted = between(agent.Answer(said.whole, take));
  EXPECT_TRUE(stream.OnAnswer(said.accepted).accepted);
  said.difference = between(*stream.OnPublish(second));
  said.refused = between(agent.Answer(said.difference, refuse));
  EXPECT_FALSE(stream.OnAnswer(said.refused).accepted);
  proof::PlainSubscription later("store");
  said.hello_again = between(agent.Hello(info));
  said.question = between(*later.OnHello(said.hello_again, second));
  said.held = between(agent.Answer(said.question, take));
  const v1::DiscoveryResponse rest = between(*later.OnAnswer(said.held).next);
  EXPECT_FALSE(rest.full());
  EXPECT_TRUE(later.OnAnswer(between(agent.Answer(rest, take))).accepted);
  EXPECT_EQ(agent.version(), second->version);
  return said;
}

template <class Message>
Message AsItIs(Message message) {
  return message;
}

TEST_P(Corpus, AnAgentTakesWhatAControlPlaneOfThenSends) {
  DiscoverySession agent;
  const auto take = [&agent](const v1::Snapshot& snapshot, v1::DiscoveryRequest&) {
    agent.Hold(snapshot);
  };
  const auto whole = Read<v1::DiscoveryResponse>("response-whole");
  EXPECT_EQ(agent.Answer(whole, take).error(), "");
  EXPECT_EQ(agent.version(), whole.version());
  const auto held = agent.Answer(Read<v1::DiscoveryResponse>("response-question"), take);
  EXPECT_EQ(held.held().fingerprints_size(), 2);
  const auto difference = Read<v1::DiscoveryResponse>("response-difference");
  EXPECT_EQ(agent.Answer(difference, take).error(), "");
  EXPECT_EQ(agent.version(), difference.version());
  EXPECT_EQ(agent.store(), "store");
}

TEST_P(Corpus, AControlPlaneTakesWhatAnAgentOfThenSays) {
  const SnapshotPtr first = MakeSnapshot(7, {"a", "b"});
  const SnapshotPtr second = MakeSnapshot(8, {"a", "c", "d"});
  proof::PlainSubscription stream("store");
  const auto hello = Read<v1::DiscoveryRequest>("request-hello");
  EXPECT_EQ(hello.agent().id(), "agent-1");
  ASSERT_TRUE(stream.OnHello(hello, first).has_value());
  EXPECT_TRUE(stream.OnAnswer(Read<v1::DiscoveryRequest>("request-accepted")).accepted);
  ASSERT_TRUE(stream.OnPublish(second).has_value());
  const auto refused = stream.OnAnswer(Read<v1::DiscoveryRequest>("request-refused"));
  EXPECT_FALSE(refused.accepted || refused.stale || refused.next.has_value());
  proof::PlainSubscription later("store");
  const auto hello_again = Read<v1::DiscoveryRequest>("request-hello-again");
  EXPECT_FALSE(later.IsAhead(hello_again, first));
  ASSERT_TRUE(later.OnHello(hello_again, second)->held_wanted());
  const auto told = later.OnAnswer(Read<v1::DiscoveryRequest>("request-held"));
  ASSERT_TRUE(told.next.has_value());
  EXPECT_FALSE(told.next->full());
}

INSTANTIATE_TEST_SUITE_P(Versions, Corpus, testing::ValuesIn(Versions()),
                         [](const testing::TestParamInfo<std::string>& version) {
                           std::string name = "V" + version.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Corpus);

// What a later version may add, anywhere.
void AddUnknown(google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  reflection.MutableUnknownFields(&message)->AddLengthDelimited(1000, "of a later version");
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* const field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      AddUnknown(*reflection.MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      AddUnknown(*reflection.MutableRepeatedMessage(&message, field, i));
    }
  }
}

TEST(UnknownFields, AreNoHindranceToEitherSideOfDiscovery) {
  Talk([](auto message) {
    AddUnknown(message);
    decltype(message) over;
    EXPECT_TRUE(over.ParseFromString(message.SerializeAsString()));
    return over;
  });
}

TEST(UnknownFields, StayInWhatAnAgentSaves) {
  char pattern[] = "/tmp/apk-corpus-XXXXXX";
  const fs::path directory = mkdtemp(pattern);
  v1::Snapshot snapshot = MakeSnapshot(7, {"a"})->ToProto();
  AddUnknown(snapshot);
  ASSERT_TRUE(LastGoodSnapshot(directory).Save(snapshot).ok());
  EXPECT_EQ(LastGoodSnapshot(directory).Load().value().SerializeAsString(),
            snapshot.SerializeAsString());
  fs::remove_all(directory);
}

// For record_corpus.py.
TEST(Recorded, Conversation) {
  const char* const folder = std::getenv("APK_CORPUS_RECORD");
  Conversation said = Talk([](auto message) { return AsItIs(std::move(message)); });
  if (folder == nullptr) return;
  said.ForEach([folder](const char* name, const auto& message) {
    std::ofstream(fs::path(folder) / name, std::ios::binary) << message.SerializeAsString();
  });
}

}  // namespace
}  // namespace apk
