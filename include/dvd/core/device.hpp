// The kernel contract: everything that layers, models and training ask of hardware.
//
// A device policy is a type with the static functions below; `dvd::Cpu` is one. Pointers are device memory from
// `allocate` unless a name says host. Arrays are dense and row-major, activations channels-last. A kernel overwrites
// its output unless its comment says that it adds. Kernels of one thread run in the order of their calls, and may still
// be running when the call returns; `download` waits for them. The same call gives the same bits every time, however
// many threads a device runs.
//
// Arrays have elements of T but for those marked ', which have elements of FullPrecision<T>: the same type, unless T is
// bfloat16. Those marked * have either.
//
// memory
//   allocate(bytes)                      -> shared_ptr<void>, aligned to 64 bytes; 64 readable bytes follow
//   upload(host, device, bytes)          download(device, host, bytes)
//   peak_memory()                        the most bytes that were ever allocated at a time
//   Recording                            of a piece of work on arrays that stay where they are: run(work) does it, and
//                                        a device may record it and from then on replay the kernels without calling
//                                        `work`, if `Recording::replays`; reset() forgets the record, as is due when
//                                        anything changes that `work` reads on the host (see RecordingKey)
//   queues_work                          whether the host goes on while the device works
//   copy_rows(blocks, rows, width, x, x_block, x_row, y, y_block, y_row)
//                                        y[b * y_block + r * y_row + i] = x[b * x_block + r * x_row + i], i < width;
//                                        distances may be negative
//   copy_rows(list)                      that, for all; see RowsToCopy in core/arrays.hpp
//
// pointwise, over `size` elements; outputs may be inputs
//   fill(size, value, y)                 add(size, x, y): y += x         scale(size, factor, x, y): y = factor * x
//   convert(size, x*, y*): y = x, rounded
//   relu, sigmoid, tanh (size, x, y)     NAME_backward(size, y, dy, dx), y being the forward result
//   blend(size, gate, x, y, z): z = gate * x + (1 - gate) * y    blend_backward(size, gate, x, y, dz, dgate, dx, dy),
//                                        whose outputs must not be inputs
//   moving_average(size, decay, x, average): average = decay * average + (1 - decay) * x
//   map(size, function, x, y): y = function(x)         map(size, function, x, y, z): z = function(x, y)
//                                        computed in FullPrecision<T>; a function is an object that can be copied as
//                                        bytes
//   dropout(size, random, first, probability, x, y)
//                                        y[i] = random.uniform(first + i) < probability ? 0 : x[i] / (1 - probability)
//
// lists of arrays, see core/arrays.hpp, all of FullPrecision<T>; `rates`, `rate`, `factor`, `decay`, `apply` and
// `unless` are on the device
//   adam(list, beta1, beta2, epsilon, rates [lr, correction1, correction2], apply)
//                                        unless *apply is 0:  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
//                                        w -= lr * (m / correction1) / (sqrt(v / correction2) + epsilon)
//   momentum(list, momentum, nesterov, weight_decay, rate, apply)
//                                        unless *apply is 0:  g += weight_decay * w;  v = momentum * v + g;
//                                        w -= *rate * (nesterov ? g + momentum * v : v); g itself stays
//   fill_arrays(list, value)             x = value
//   scale_arrays(list, factor, apply)    unless *apply is 0: x = *factor * x
//   follow(list, decay, apply)           unless *apply is 0: y = decay * y + (1 - decay) * x; y = x if *decay is 0
//   copy_arrays(list, unless or null)    y = x, but not if *unless is other than 0
//   sum_squares(list, result)            *result = the sum of the squares of all elements
//   check_finite(list, finite)           *finite = 0 if an element is NaN or infinite; else *finite stays
//   power_iterations(list, update)       of every weight W: v = norm(W^T u); if `update`, u = norm(W v);
//                                        *sigma = u^T W v;  norm(x) = x / max(|x|, 1e-12). What is computed for a
//                                        weight does not depend on what else is in the list, to the bit
//
// ConvGRU gates, at first as pre-activations; see core/gru_gates.hpp for how they lie
//   gru_gates_apart                      whether two arrays serve the device better than one
//   gru_reset(rows, width, gates, state, reset_state, keep)
//                                        reset, update = sigmoid in place; reset_state = reset * state. Unless `keep`,
//                                        which is then said to gru_output too, gates may be left as anything that
//                                        gru_output can go on from
//   gru_output(rows, width, gates, state, output, tanh_candidate, keep)
//                                        candidate = relu or, if `tanh_candidate`, tanh in place; output = update *
//                                        state + (1 - update) * candidate; without a state (null, meaning 0) also
//                                        update = sigmoid in place
//   gru_output_backward(rows, width, gates, state, doutput, added or null, dgates, dstate, tanh_candidate)
//                                        doutput + added being the output's gradient: dgates' update and candidate
//                                        parts (of the pre-activations), dstate; without a state the reset part becomes
//                                        0 and dstate is not written
//   gru_reset_backward(rows, width, gates, state, dreset_state, dgates, dstate): dgates' reset part; adds to dstate
//   multiply_columns(rows, width, x, x_row, y, z)                 z[r, i] = x[r * x_row + i] * y[r, i]: a reset state
//   again
//
// ConvLSTM gates; `gates` is [rows, 4 * width], a row holding input | forget | output | candidate, at first as
// pre-activations; `before` is the cell before, null meaning 0
//   lstm_output(rows, width, gates, before', cell', y)
//                                        gates in place: three sigmoids and a tanh; cell = forget * before +
//                                        input * candidate; y = output * tanh(cell)
//   lstm_output_backward(rows, width, gates, before', cell', dy, added or null, dcell', dgates)
//                                        dy + added being the result's gradient: dgates, of the pre-activations; dcell
//                                        is the cell's gradient through what comes later, and becomes that of the cell
//                                        before
//
// convolutions; see core/convolution.hpp for layouts and what is done to inputs and outputs on the way; `X_pixel` is
// the distance between pixels of X
//   stores_rectified                     whether a convolution had best rectify its outputs, if the next one would
//                                        rectify its inputs
//   prepares_inputs                      whether what is done to an input on its way in is a pass over memory that is
//                                        best done once, for a convolution and for its weight's gradient; then
//   prepare(size, input)                       -> shared_ptr to it, for ConvolutionInput::prepared; empty if nothing
//                                        is done
//   filter(size, weight), backward_filter(size, weight)
//                                        the weight in the device's own form, for as many calls as wanted
//   filters_fit_all_sizes                whether a filter depends on the weight and on `pool` alone and serves both
//                                        directions; where it does not, `filter(...).fits(size)` tells whether it is
//                                        that for another size, too; where it does,
//   filters(list)                        -> vector of the filters of all weights, in their order; see PackedWeight in
//                                        core/arrays.hpp. A bias that is listed is the one that is convolved with
//   convolve(size, input, filter, bias' or null, y, y_pixel, accumulate)
//   convolve_backward_input(size, input, dy, dy_pixel, backward filter, dx, accumulate)
//                                        the gradient of input.x or, where the input has a scale and shift, of their
//                                        rectified result, for batch_norm_backward; dy is that of outputs before
//                                        any ReLU of theirs, which the next convolution's gradient of its input is
//   convolve_backward_weight(size, input, dy, dy_pixel, dweight)
//
//   pairs_products                       whether two linear maps of the same vectors are best done together; then
//   linear_pair(vectors, inputs, outputs, x, weights, y)
//                                        y[i] = x weights[i], for both packed weights, y being [2, vectors, outputs];
//                                        best with the first in front of the second in one array
//   linear_pair_backward_weight(vectors, inputs, outputs, x, dy, dweight)
//                                        dweight[i] = x^T dy[i], dweight being [2, inputs, outputs]
//
// normalisation; x is [groups, rows, channels]
//   moments(groups, rows, channels, x, mean', variance')          [groups, channels] each; biased variance
//   scale_shift(groups, rows, channels, x, scale', shift', rectify, y)
//                                        y = scale[g, c] * x + shift[g, c], then ReLU if `rectify`
//   follow_statistics(size, decay, unbias, mean', variance', running_mean', running_variance')
//                                        running_mean = decay * running_mean + (1 - decay) * mean, and likewise
//                                        running_variance by unbias * variance
//   batch_norm_coefficients(frames, batch, channels, mean', variance', gain, bias, epsilon, scale', shift')
//                                        mean, variance [frames, channels]; gain, bias [batch, channels]; scale, shift
//                                        [frames * batch, channels] such that scale * x + shift is
//                                        (1 + gain) * (x - mean) / sqrt(variance + epsilon) + bias
//   batch_norm_statistics(frames, batch, rows, channels, x, gain, bias, epsilon, mean', variance', running, scale',
//                         shift')
//                                        moments of x [frames, batch * rows, channels], follow_statistics with what
//                                        `running` has (see RunningStatistics in core/arrays.hpp), and
//                                        batch_norm_coefficients, at once
//   batch_norm_backward(frames, batch, rows, channels, x, dy, mean', variance', gain, scale', shift', epsilon, rectify,
//                       batch_statistics, dgain, dbias, dx or null)
//                                        gradients of that; `batch_statistics`: mean and variance came from x; dx may
//                                        be dy
//   for a batch that others have parts of, `sums` being double [2, ...], to be added up over all parts in between:
//   moment_sums(size, count, mean', variance', reference', sums)
//                                        of `count` values with these moments, seen from `reference`: the sums of
//                                        their distances and of the squares
//   moments_of_sums(size, count, sums, reference', mean', variance')
//                                        of all `count` values
//   batch_norm_gradient_sums(frames, batch, rows, channels, x, dy, mean', variance', scale', shift', epsilon, rectify,
//                            dgain*, dbias*, sums)
//                                        dgain, dbias [batch, channels] as of batch_norm_backward; sums [2, frames,
//                                        channels] of scale * dy and of scale * dy * (x - mean), of dy where rectify
//                                        let its input through
//   batch_norm_gradient(frames, batch, rows, channels, x, dy, mean', variance', scale', shift', epsilon, rectify,
//                       count, sums, dx)
//                                        what batch_norm_backward gives as dx, by the sums over all `count` pixels of
//                                        a frame; dx may be dy
//   group_moments(images, rows, groups, width, x, mean', variance')
//                                        [images, groups] each, over rows and width, of x [images, rows, groups *
//                                        width]; biased variance
//   group_norm(images, rows, groups, width, x, mean', variance', weight' or null, bias' or null, epsilon, y)
//                                        y = weight * (x - mean) / sqrt(variance + epsilon) + bias; weight and bias
//                                        [groups * width], 1 and 0 where there are none
//   group_norm_backward(images, rows, groups, width, x, dy, mean', variance', weight' or null, epsilon, own_statistics,
//                       dweight' or null, dbias' or null, dx or null)
//                                        gradients of that; adds to dweight and dbias; `own_statistics`: mean and
//                                        variance came from x; dx may be dy
//   sum_rows(groups, rows, channels, x*, x_row, y*, accumulate)   y[g, c] (+)= sum over rows; rows lie x_row apart
//                                        summed in double: a bias's gradient may be exactly 0, and Adam turns noise in
//                                        its place into whole steps
//   dot(size, x, y, result')             *result = sum of x * y
//
// resampling; images are [images, height, width, channels] before upsampling
//   upsample_nearest, upsample_bilinear (images, height, width, channels, x, y), NAME_backward(..., dy, dx)
//                                        bilinear has half-pixel centres and repeats edges
//   average_pool(frames, batch, height, width, channels, pool_frames, x, y), average_pool_backward(..., dy, dx)
//                                        windows of pool_frames x 2 x 2; odd ends are dropped
//   max_pool(images, height, width, channels, x, y), max_pool_backward(..., x, dy, dx)
//                                        windows of 2 x 2; odd ends are dropped; dx goes to the first of equal ones
//   warp(images, height, width, channels, x, offsets, y)
//                                        y at a pixel is x, bilinearly, at the pixel's place plus offsets [.., 2]
//                                        (down, right; in pixels), clamped to the image
//   warp_backward(images, height, width, channels, x, offsets, dy, dx, doffsets)
//                                        doffsets is 0 where a place was clamped
//
// windows of any kernel, stride and padding; see core/windows.hpp. Pooling's have no dilation, at most 2^30 taps, and
// one at least of every window's taps inside
//   columns_bytes                        how large `columns` had best be
//   unfold(size, first, count, x, x_pixel, columns)
//                                        columns[i, tap] = what that tap of window first + i sees, `channels` elements
//                                        of a pixel of x, pixels lying x_pixel apart; 0 in the padding
//   fold(size, first, count, columns, x, x_pixel)                 adds columns[i, tap] to what that tap sees: unfold
//                                        transposed
//   max_windows(size, x, y), max_windows_backward(size, x, dy, dx)
//                                        padding is less than any number; dx goes to the first of equal ones
//   average_windows(size, count_padding, x, y), average_windows_backward(size, count_padding, dy, dx)
//                                        the sum of what lies inside, over all taps but WindowAxis::overhang or,
//                                        unless `count_padding`, those inside
//   convolves_windows                    whether there is a quicker way than unfolding to convolve by some windows;
//   then convolves(size)                      -> bool, whether these are among them; if so window_filter(size, outputs,
//   weight) -> the weight [taps, channels, outputs] in the device's own form, for windows
//                                        of that kernel, stride and padding over anything
//   convolve_windows(size, x, filter, bias' or null, rectify, y)
//                                        y [windows, outputs] = the unfolded windows times the weight, plus the bias;
//                                        then max(., 0) if `rectify`
//
// attention; see core/attention.hpp for layouts
//   attend(size, query, key, value, y)                            y = softmax(query key^T) value in every set of tokens
//   attend_backward(size, query, key, value, dy, dquery, dkey, dvalue)
//
// rows
//   gather_rows(count, width, table, rows, y)                     y[i] = table[rows[i]]; see core/rows.hpp
//   scatter_add_rows(count, width, dy*, rows, dtable*)            dtable[rows[i]] += dy[i], rows in their order
//   broadcast_rows(groups, rows, channels, x, y)                  y[g, r] = x[g]
//   row_dots(rows, width, x, y, result')                          result[r] = sum of x[r] * y[r], in double
//   scale_rows(rows, width, factors', x, y)                       y[r] = factors[r] * x[r]
//   mean_loss(size, scores', term, loss', dscores' or null)       *loss += mean of term(score).first;
//                                        dscores = term(score).second / size; a term is an object without members
//
// weights; `weight` is [outputs, inputs, taps] as in checkpoints, `packed` [taps, inputs, outputs]
//   pack_weight(outputs, inputs, taps, weight', sigma' or null, packed)   packed = weight (/ *sigma)
//   pack_weights(list)                         pack_weight of all; see WeightToPack in core/arrays.hpp
//   unpack_weight_gradient(outputs, inputs, taps, dpacked, packed, sigma' or null, u', v', dweight')
//                                        adds to dweight the gradient through pack_weight, sigma's included
//   unpacks_together                     whether that is best done for all weights of a network at once; then
//   unpack_weight_gradients(list)              does it for all, no two of which have one dweight; see
//                                        WeightGradientToUnpack in core/arrays.hpp
//   weight_gradient(size, input, dy, dy_pixel)
//                                        -> convolve_backward_weight's result, for a kernel of 3, as a filter lies;
//                                        a filter's `weight` is then what WeightGradientToUnpack points to
//   transpose(count, rows, columns, x, y)      y[i], of columns x rows, is x[i] transposed
//   random_normal(size, random, scale, y)      y[i] = scale * random.normal(i)
//   random_uniform(size, random, low, high, y)
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/device_parts.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A device policy for elements of type T: the whole contract above.
template <class D, class T>
concept DeviceFor = DeviceCopies<D, T> && DevicePointwise<D, T> && DeviceMapping<D, T, FullPrecision<T>> &&
    DeviceLstm<D, T, FullPrecision<T>> && DeviceConversion<D, T, FullPrecision<T>> &&
    DeviceLists<D, FullPrecision<T>> && DeviceConvolution<D, T, FullPrecision<T>> && DevicePairs<D, T> &&
    DeviceNormalization<D, T, FullPrecision<T>> && DeviceSharedBatchNorm<D, T, FullPrecision<T>> &&
    DeviceResampling<D, T> && DeviceWindows<D, T> && DeviceAttention<D, T> && DeviceRows<D, T, FullPrecision<T>> &&
    DeviceWeights<D, T, FullPrecision<T>>;

/// A device policy. Every one computes in float; which other scalars it knows is its own affair.
template <class D>
concept Device = DeviceFor<D, float>;

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
