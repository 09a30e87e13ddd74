#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

// The one table of tolerances. No test carries a literal one.
namespace metatape::tolerance {

/// Kernel against its plain reference, relative to the largest |reference|: rounding of n
/// additions. Four units cover the different order of additions and fused multiply-adds in the
/// library.
template <class T>
double kernel(std::int64_t reduced_terms) {
  return 4 * double(std::numeric_limits<T>::epsilon()) * std::sqrt(double(reduced_terms) + 16);
}

/// Winograd's F(4x4, 3x3) over direct convolution in f32: the entries of its matrices, up to 2
/// sqrt(2) and with sums of up to 4.5 in a row, amplify the rounding. On layers of 64 channels the
/// largest error is at 3 to 9 times that of direct convolution.
inline constexpr double kWinogradOverDirect = 16;

/// Products of factors rounded to the 11 bits of TF32, relative to the largest |reference|: 2^-11
/// of each factor at most, so 2^-10 of a product, and twice that for sums whose terms cancel.
inline constexpr double kTf32 = 0x1p-9;

/// Elementwise functions: libm and vectorised forms differ by a few units in the last place.
template <class T>
double elementwise() {
  return 8 * double(std::numeric_limits<T>::epsilon());
}

/// A chain of up to 24 f32 operations on values near 1, none of which raises the error of another
/// more than twofold, against f64: the worst of a thousand random chains is at 1e-5.
inline constexpr double kFusedChain = 1e-4;

/// Gradient (f64) against central differences with step 1e-5: truncation 1e-10, rounding 1e-11 of
/// the value over the step, times a generous condition number.
inline constexpr double kGradient = 1e-7;

/// Hessian-vector product (f64) against central differences of the gradient: one more order.
inline constexpr double kHessianVector = 1e-6;

/// Meta-gradient of an unrolled f64 run against central differences of the whole.
inline constexpr double kMetaGradient = 1e-6;

/// Two exact forms of one quantity in f64 (the hvp forms, u'Hv = v'Hu): rounding only, over tapes
/// of some thousand operations.
inline constexpr double kExactForms = 1e-10;

/// f32 against f64 from the same values: rounding of 6e-8 times the condition of an expression of a
/// few operations, and of its first and second derivatives.
inline constexpr double kSingleValue = 1e-5;
inline constexpr double kSingleGradient = 1e-4;
inline constexpr double kSingleHessianVector = 1e-3;

/// Mean square of GPU against CPU meta-gradients in f32, relative to the CPU's: 1e-5 of the norm.
inline constexpr double kDeviceMeanSquare = 1e-10;

/// Twenty optimiser steps against the same formulas in a plain loop: the same operations in
/// another grouping, so a few roundings a step.
inline constexpr double kOptimizerLoop = 1e-13;
inline constexpr double kSingleOptimizerLoop = 1e-5;

/// A closed form (f64) against its optimality conditions or another form of it: rounding times the
/// condition of the system, here up to 1e6.
inline constexpr double kOptimality = 1e-8;

/// Order of an approximation measured from two step sizes: the next term of its error changes it by
/// the step size times a few.
inline constexpr double kConvergenceOrder = 0.1;

/// Golden scalars, printed with seven digits.
inline constexpr double kGolden = 1e-7;

/// Fixtures computed by another framework in f64: other summation orders through a whole meta-step.
inline constexpr double kOtherFramework = 1e-9;

/// Frequencies and moments of random numbers, in standard errors. Seeds are fixed, so a check that
/// passes once passes always; a correct sampler fails one in two million new ones.
inline constexpr double kSigmas = 5;

/// A flat grey image through JPEG of high quality: rounding of the DC coefficient, in levels of
/// 255.
inline constexpr double kJpegLevels = 2;

}  // namespace metatape::tolerance
