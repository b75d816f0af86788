// Programs of our own against RE2: nobody may see which of the two has matched.
#include "data-plane/routing/full_matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "data-plane/routing/expression_program.h"

namespace apk {
namespace {

using Random = std::mt19937;

size_t Below(Random& random, size_t limit) {
  return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
}

const std::string& Pick(Random& random, const std::vector<std::string>& items) {
  return items[Below(random, items.size())];
}

const std::vector<std::string> kPlainAtoms = {
    "a",      "b",      "/",         "/a",     "7",   "-",        ".",       "[a-z]", "[0-9]",
    "[^/]",   "[^a]",   "[ab-]",     "[-a]",   "\\d", "\\w",      "\\D",     "\\W",   "[\\w-]",
    "[\\d.]", "[^\\d]", "\\.",       "\\/",    "\\-", "[a-f0-9]", "[^/a-c]", "%",     "_",
    "[^\\w]", "(a)",    "(/[a-z]+)", "(\\d+)", "[.]", "[+*?$]",   "\n",      "[^\n]"};
// What is RE2's, and what is at the edge of it.
const std::vector<std::string> kOtherAtoms = {
    "(a|b)", "(?:a)",   "(?i)a", "\\s",   "\\b",     "[[:alpha:]]", "[]a]", "\\pL",  "é",
    "[é-ü]", "^",       "$",     "a|b",   "{",       "}",           "]",    "[a-",   "[\\w-a]",
    "(a*)+", "\\x41",   "\\Qa.", "[^é]",  "\\_",     "(",           ")",    "a{,2}", "a{02}",
    "\\C",   "[a-\\d]", "()",    "[b-a]", "[a-c-e]", "[%--]",       "(^a)", "(a$)",  "\\"};
const std::vector<std::string> kQuantifiers = {"",    "",      "",       "+",     "*",     "?",
                                               "{2}", "{1,3}", "{2,}",   "{0,2}", "{0}",   "{3,1}",
                                               "+?",  "**",    "{1}{2}", "{0,0}", "{300}", "{254}"};
const std::vector<std::string> kPieces = {
    "a",  "b", "c", "z",  "/", "/a",    "7",    "42", "-", ".", "_", "A",  "%", "+",
    "\n", "é", " ", "aa", "{", "a{,2}", "\xff", "]",  "$", "*", "?", "\\", "^", "~"};

std::string RandomExpression(Random& random, size_t others_percent) {
  std::string expression = Below(random, 8) == 0 ? "^" : "";
  for (size_t count = Below(random, 6); count > 0; --count) {
    const bool other = Below(random, 100) < others_percent;
    expression += Pick(random, other ? kOtherAtoms : kPlainAtoms);
    expression += kQuantifiers[Below(random, others_percent > 0 ? kQuantifiers.size() : 10)];
  }
  return expression + (Below(random, 8) == 0 ? "$" : "");
}

std::string RandomText(Random& random) {
  std::string text;
  for (size_t count = Below(random, 9); count > 0; --count) text += Pick(random, kPieces);
  return text;
}

// A text that has a good chance to match: the expression without what makes it one.
std::string Likely(Random& random, const std::string& expression) {
  std::string text;
  for (const char c : expression) {
    if (std::string("^$+*?\\()").find(c) != std::string::npos) continue;
    if (c == '[' || c == ']' || c == '{' || c == '}' || c == ',') {
      text += Pick(random, kPieces);
    } else {
      text += c;
    }
  }
  return text;
}

struct Counts {
  size_t programs = 0;
  size_t matches = 0;  // Of programs.
};

Counts Compare(size_t others_percent, uint32_t seed) {
  Random random(seed);
  Counts counts;
  for (int i = 0; i < 6000; ++i) {
    const std::string expression = RandomExpression(random, others_percent);
    const auto matcher = FullMatcher::Compile(expression);
    if (!matcher.ok()) continue;
    counts.programs += matcher->program().empty() ? 0 : 1;
    for (int j = 0; j < 12; ++j) {
      const std::string text = j < 6 ? RandomText(random) : Likely(random, expression);
      const bool expected = matcher->MatchesByRe2(text);
      EXPECT_EQ(matcher->Matches(text), expected) << expression << " on " << text;
      counts.matches += expected && !matcher->program().empty() ? 1 : 0;
    }
  }
  return counts;
}

TEST(FullMatcherTest, AgreesWithRe2OnPlainExpressions) {
  const Counts counts = Compare(0, 1);
  EXPECT_GT(counts.programs, 1000u);
  EXPECT_GT(counts.matches, 500u);
}

TEST(FullMatcherTest, AgreesWithRe2OnAnyExpressions) {
  const Counts counts = Compare(30, 2);
  EXPECT_GT(counts.programs, 500u);
}

TEST(FullMatcherTest, AgreesWithRe2OnEachByteOfEachClass) {
  for (const std::string& expression : kPlainAtoms) {
    const auto matcher = FullMatcher::Compile(expression);
    ASSERT_TRUE(matcher.ok()) << expression;
    EXPECT_FALSE(matcher->program().empty()) << expression;
    for (int byte = 0; byte < 256; ++byte) {
      const std::string text(1, static_cast<char>(byte));
      EXPECT_EQ(matcher->Matches(text), matcher->MatchesByRe2(text)) << expression << " " << byte;
    }
  }
}

TEST(FullMatcherTest, PathsOfApisHavePrograms) {
  for (const char* const expression :
       {"/pets/[0-9]+", "/pets/([^/]+)/toys/?", "/v\\d+/.*", "/a/[^/]+/c", "/items/[a-f0-9]{8}",
        "^/users/[\\w-]+$", "/a/b/[a-z]*", "/.*"}) {
    EXPECT_TRUE(CompileProgram(expression).has_value()) << expression;
  }
}

TEST(FullMatcherTest, WhatNeedsBacktrackingIsRe2s) {
  for (const char* const expression : {".*c", "/a/.*/b", "[a-z]+a", "a?a", "a*b*a", "a{1,2}ab",
                                       "(a|b)", "(ab)+", "a+?", "(?i)a"}) {
    EXPECT_FALSE(CompileProgram(expression).has_value()) << expression;
  }
}

TEST(FullMatcherTest, LongLiteralsAndLongTexts) {
  const std::string literal(700, 'x');
  const auto matcher = FullMatcher::Compile("/" + literal + "[ab]{3,}");
  ASSERT_TRUE(matcher.ok());
  EXPECT_FALSE(matcher->program().empty());
  EXPECT_TRUE(matcher->Matches("/" + literal + std::string(5000, 'a')));
  EXPECT_FALSE(matcher->Matches("/" + literal + "ab"));
  EXPECT_FALSE(matcher->Matches("/" + literal.substr(1) + "aaa"));
  const auto too_long = FullMatcher::Compile(std::string(3000, 'x'));
  ASSERT_TRUE(too_long.ok());
  EXPECT_TRUE(too_long->program().empty());
  EXPECT_TRUE(too_long->Matches(std::string(3000, 'x')));
}

}  // namespace
}  // namespace apk
