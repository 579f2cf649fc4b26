#include "tests/law2/texts.h"

namespace quire::test {

const std::string& Prose() {
  static const std::string text =
      "The keeper of the lighthouse counted ships the way other people count sheep. On clear "
      "nights there were twelve or thirteen of them, strung along the horizon like lamps on a "
      "wire; in fog there were none, and then he counted the seconds between two strokes of the "
      "bell instead. He had once been a bookbinder. From that life he kept a bone folder, a pot "
      "of paste gone hard as amber, and the habit of gathering loose things into bundles of "
      "sixteen: sixteen nails to a box, sixteen candles to a shelf, sixteen pages to a quire. "
      "When the inspector came in spring and asked why the logbook was bound in such odd little "
      "volumes, he answered that a thing one can hold in one hand is a thing one does not lose.";
  return text;
}

const std::string& Code() {
  static const std::string text =
      "def merge(left, right):\n"
      "    \"\"\"Merges two sorted lists into one, stable.\"\"\"\n"
      "    result = []\n"
      "    i = j = 0\n"
      "    while i < len(left) and j < len(right):\n"
      "        if right[j] < left[i]:\n"
      "            result.append(right[j]); j += 1\n"
      "        else:\n"
      "            result.append(left[i]); i += 1\n"
      "    return result + left[i:] + right[j:]\n\n"
      "assert merge([1, 3, 5], [2, 4, 6]) == [1, 2, 3, 4, 5, 6]\n"
      "for n in (0, 1, 7, 64, 1000, 65536):\n"
      "    print(f\"{n:>8} {n ** 0.5:.4f} 0x{n:04x}\")\n";
  return text;
}

const std::string& Scripts() {
  static const std::string text =
      "Zürich, Łódź, São Paulo, Đà Nẵng; \"naïve\" is not \"naive\". Числа: 3,14159 и 2,71828. "
      "東京から京都まで新幹線で約二時間十五分です。 القمر بعيد. שלום עולם. 1 + 1 = 2, 2^10 = 1024, "
      "e^{i\xcf\x80} + 1 = 0. \xf0\x9f\x9a\xb2\xf0\x9f\x8c\xa7 Tabs\tand  double spaces, "
      "line\nbreaks and trailing dots... What comes after all this? A question, an answer, and "
      "then the long pause in which the reader turns the page and finds nothing but margins.";
  return text;
}

const std::string& LongText() {
  static const std::string text =
      Prose() + "\n\n" + Code() + "\n" + Scripts() + "\n\n" + Code() + "\n" + Prose();
  return text;
}

}  // namespace quire::test
