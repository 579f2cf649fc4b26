// grammar/parts.h -- what a text may look like, put together from parts.
//
//   Parts parts;
//   const Part call = parts.Sequence({parts.Literal("<tool_call>\n{\"name\": \"f\", "
//                                                   "\"arguments\": "),
//                                     *AddJsonSchema(parts, schema), parts.Literal("}\n")});
//   QUIRE_TRY(auto grammar, Grammar::Compile(parts, call, trie));
//
// A part is an immutable node, used as often as one likes; a rule is a part that may be used before
// it is defined, so that parts can be recursive. Everything is bytes; characters are their UTF-8.
//
// Bounds   past kMaxParts nodes or kMaxPartBytes bytes of literals nothing is added any more and
//          Grammar::Compile refuses: no call here fails, so sources stay simple.
// Threads  none.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "grammar/byte_set.h"
#include "grammar/character_set.h"

namespace quire {

enum class Part : uint32_t {};

inline constexpr uint32_t kEndless = UINT32_MAX;
inline constexpr uint32_t kMaxParts = 60000;
inline constexpr size_t kMaxPartBytes = size_t{1} << 18;

class Parts {
 public:
  Part Empty() { return Sequence({}); }
  Part Never() { return Choice({}); }  // matches nothing, not even the empty text
  Part Literal(std::string_view bytes);
  Part OneOf(const ByteSet& bytes);
  Part OneOf(const CharacterSet& characters);  // one character, as UTF-8
  Part Sequence(std::span<const Part> parts);
  Part Sequence(std::initializer_list<Part> parts) { return Sequence(std::span(parts)); }
  Part Choice(std::span<const Part> parts);
  Part Choice(std::initializer_list<Part> parts) { return Choice(std::span(parts)); }
  Part Repeat(Part body, uint32_t least, uint32_t most = kEndless);
  Part Optional(Part body) { return Repeat(body, 0, 1); }

  // What both match. Neither may hold a rule, nor free text; their automata are multiplied.
  Part Both(Part left, Part right);

  // A part with a body that is still to come: Define it once. `name` is for messages.
  Part NewRule(std::string name);
  void Define(Part rule, Part body);

  // The rule of that name, if there is one: what is made once and used everywhere.
  std::optional<Part> FindRule(std::string_view name) const;

  // Free text, in which control tokens may occur too: text without `marker` in it, which may end
  // anywhere; and text up to and including the first `marker`. A triggered start is
  //   Choice({TextWithout(m), Sequence({TextThrough(m), constrained})}).
  Part TextWithout(std::string_view marker);
  Part TextThrough(std::string_view marker);

  // The one control token `token`, which no text spells.
  Part ControlToken(TokenId token);

  // Below: for the compiler.
  enum class Kind : uint8_t { kLiteral, kBytes, kSequence, kChoice, kRepeat, kBoth, kRule, kText };
  struct Node {
    Kind kind;
    bool through = false;             // kText: ends with the marker
    bool has_rule = false;            // or free text, somewhere below
    uint32_t least = 0;               // kRepeat
    uint32_t most = 0;                // kRepeat
    uint32_t nesting = 0;             // levels below; a rule has none
    std::string text = {};            // kLiteral, kText (marker), kRule (name)
    ByteSet bytes = {};               // kBytes
    std::vector<Part> children = {};  // earlier nodes, but for a rule's body: its only child
  };
  const Node& node(Part part) const { return nodes_[static_cast<size_t>(part)]; }
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  bool overflowed() const { return overflowed_; }

 private:
  Part Add(Node node);

  std::vector<Node> nodes_;
  std::map<std::string, Part, std::less<>> rules_;  // the first of each name
  size_t num_bytes_ = 0;
  bool overflowed_ = false;
};

// Control tokens take part as texts that UTF-8 does not have: a byte of no character, then the id.
inline constexpr uint8_t kControlLead = 0xFF;
inline constexpr uint8_t kFirstUnusedByte = 0xF8;  // no text has this byte or one above it
inline constexpr size_t kControlBytes = 4;
std::string ControlBytes(TokenId token);

}  // namespace quire
