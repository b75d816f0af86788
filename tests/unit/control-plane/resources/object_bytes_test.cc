// Messages that are equal have equal bytes, whatever order their maps are in.
#include "control-plane/resources/object_bytes.h"

#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"

namespace apk {
namespace {

v1::ConfigMap Make(int first, int last, int step) {
  v1::ConfigMap map;
  map.mutable_metadata()->set_name("a");
  for (int i = first; i != last; i += step) {
    (*map.mutable_data())[std::to_string(i)] = std::string(static_cast<size_t>(i) * 10, 'x');
  }
  return map;
}

TEST(ObjectBytes, AreTheSameOfEqualMessages) {
  const v1::ConfigMap map = Make(0, 100, 1);
  EXPECT_EQ(DeterministicBytes(map), DeterministicBytes(Make(99, -1, -1)));
  EXPECT_TRUE(SameMessage(map, Make(99, -1, -1)));
  v1::ConfigMap parsed;
  ASSERT_TRUE(parsed.ParseFromString(DeterministicBytes(map)));
  EXPECT_TRUE(SameMessage(map, parsed));
}

TEST(ObjectBytes, AreOthersOfMessagesOfTheSameSize) {
  v1::ConfigMap map = Make(0, 3, 1);
  map.mutable_metadata()->set_name("b");
  EXPECT_FALSE(SameMessage(map, Make(0, 3, 1)));
  EXPECT_FALSE(SameMessage(map, Make(0, 4, 1)));
  EXPECT_TRUE(SameMessage(v1::ConfigMap(), v1::ConfigMap()));
  EXPECT_EQ(DeterministicBytes(v1::ConfigMap()), "");
}

}  // namespace
}  // namespace apk
