#include "server/levers/treatment.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

GenerationRequest Treated(const LeverChange& change, GenerationRequest request = {}) {
  Treatment treatment;
  treatment.changes.push_back(change);
  Apply(treatment, request);
  return request;
}

TEST(Treatment, EveryChangeReachesTheRequest) {
  EXPECT_EQ(Treated({.kind = LeverKind::kChunkTokens, .chunk_tokens = 7}).handling.chunk_tokens,
            7u);
  EXPECT_FALSE(Treated({.kind = LeverKind::kOffload, .offload = false}).handling.offload);
  EXPECT_EQ(Treated({.kind = LeverKind::kAdmissionMargin, .admission_margin = 2})
                .handling.admission_margin,
            2);
  EXPECT_EQ(Treated({.kind = LeverKind::kEviction, .keep_seconds = 60}).keep_seconds, 60u);
  EXPECT_TRUE(Treated({.kind = LeverKind::kEviction, .store = false}).no_store);
}

TEST(Treatment, AndNothingElse) {
  const GenerationRequest kept = Treated({.kind = LeverKind::kEviction, .keep_seconds = 60});
  EXPECT_FALSE(kept.no_store);
  EXPECT_TRUE(kept.handling.offload);
  EXPECT_EQ(kept.handling.chunk_tokens, 0u);
  EXPECT_EQ(kept.handling.admission_margin, 0);
}

TEST(Treatment, WhatAClientWishesGoesBefore) {
  const LeverChange keep{.kind = LeverKind::kEviction, .keep_seconds = 60};
  const LeverChange drop{.kind = LeverKind::kEviction, .store = false};
  GenerationRequest wishes;
  wishes.keep_seconds = 5;
  EXPECT_EQ(Treated(keep, wishes).keep_seconds, 5u);
  EXPECT_FALSE(Treated(drop, wishes).no_store);
  wishes = {};
  wishes.pin_seconds = 5;
  EXPECT_FALSE(Treated(drop, wishes).no_store);
  wishes = {};
  wishes.no_store = true;
  EXPECT_EQ(Treated(keep, wishes).keep_seconds, 0u);
}

}  // namespace
}  // namespace quire
