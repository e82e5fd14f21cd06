"""The course kit: checkers of the exercises, quizzes, exams and live figures, built on dlvlib."""
